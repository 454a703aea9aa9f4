package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"time"

	"mock-ec2-metadata/internal/api"
)

// page is a session of the console, as a browser has one.
type page struct{ url, token string }

// streamed is what a page has got by streams.
type streamed struct {
	took           time.Duration
	bytes          int64
	requests, left int // those that were told of, and those that were left out
}

func (s streamed) String() string {
	seconds := s.took.Seconds()
	return fmt.Sprintf("the stream tells of %s requests a second, and leaves %s out, in %.0f kB", thousands(float64(s.requests)/seconds),
		thousands(float64(s.left)/seconds), float64(s.bytes)/1e3/seconds)
}

// openConsole has the command open the console, and opens a session by the URL that it prints.
func (s *simulator) openConsole(ctx context.Context, program string) (*page, error) {
	out, err := exec.CommandContext(ctx, program, "console", "--control", s.socket).Output()
	if err != nil {
		return nil, fmt.Errorf("console: %w\n%s", err, stderrOf(err))
	}
	line, _, _ := strings.Cut(string(out), "\n")
	url, code, _ := strings.Cut(line, "/#k=")
	body, err := json.Marshal(api.ConsoleCode{Code: code})
	if err != nil {
		return nil, err
	}
	resp, err := request(ctx, http.MethodPost, url+"/v1/console/session", body, http.Header{"Content-Type": {"application/json"}})
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var session api.ConsoleSession
	if err := json.NewDecoder(resp.Body).Decode(&session); err != nil {
		return nil, err
	}
	return &page{url, session.Token}, nil
}

// request sends a request of a page. Any answer but 200 is an error.
func request(ctx context.Context, method, url string, body []byte, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		return nil, fmt.Errorf("wrong answer: %s %s: %d %.200q", method, req.URL.Path, resp.StatusCode, text)
	}
	return resp, nil
}

// read reads a stream until ctx ends, and adds it up in got.
func (p *page) read(ctx context.Context, got *streamed) error {
	began := time.Now()
	resp, err := request(ctx, http.MethodGet, p.url+"/v1/stream?topics=requests,refusals,credentials,config,simulation", nil,
		http.Header{"Authorization": {"Bearer " + p.token}})
	if err == nil {
		err = got.add(resp.Body)
		_ = resp.Body.Close()
	}
	got.took += time.Since(began)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the turn has ended
	}
	return err
}

// add reads a text/event-stream to its end. It takes as little time as it can: the daemon is measured on the same processors.
func (s *streamed) add(stream io.Reader) error {
	r := bufio.NewReaderSize(stream, 1<<20) // for a line of 500 requests
	var event string
	for {
		line, err := r.ReadSlice('\n')
		s.bytes += int64(len(line))
		if err != nil {
			return err
		}
		if name, ok := bytes.CutPrefix(line, []byte("event: ")); ok {
			event = string(bytes.TrimSpace(name))
			continue
		}
		data, ok := bytes.CutPrefix(line, []byte("data: "))
		switch {
		case !ok:
		case event == "requests":
			s.requests += bytes.Count(data, []byte(`{"seq":`))
		case event == "lagged":
			var lagged api.Lagged
			if err := json.Unmarshal(data, &lagged); err != nil {
				return err
			}
			s.left += int(lagged.Dropped)
		}
	}
}
