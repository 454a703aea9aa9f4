package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

//go:embed wrk.lua
var script []byte

// load is what wrk has measured of a server, and what that cost the server.
type load struct {
	perSecond float64       // requests
	p99       time.Duration // latency
	cpu       time.Duration // the server's processor time for one request
}

func (l load) rate() float64            { return l.perSecond }
func (l load) microseconds() float64    { return float64(l.cpu) / float64(time.Microsecond) }
func (l load) p99Milliseconds() float64 { return milliseconds(l.p99) }

// wrk requests path from a server for some seconds over so many connections.
func (b *bench) wrk(ctx context.Context, s *server, connections, seconds int, method, path string, header http.Header) (load, error) {
	args := []string{
		"-t", strconv.Itoa(min(b.wrkThreads, connections)), "-c", strconv.Itoa(connections), "-d", fmt.Sprintf("%ds", seconds),
		"--timeout", "10s", "-s", b.script,
	}
	for name, values := range header {
		args = append(args, "-H", name+": "+strings.Join(values, ", "))
	}
	command := append(append([]string{"wrk"}, args...), s.url()+path, "--", method)
	if b.wrkCPUs != "" {
		command = append([]string{"taskset", "-c", b.wrkCPUs}, command...)
	}
	before, err := s.processorTime()
	if err != nil {
		return load{}, err
	}
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).Output()
	if err != nil {
		return load{}, fmt.Errorf("wrk: %w\n%s", err, stderrOf(err))
	}
	after, err := s.processorTime()
	if err != nil {
		return load{}, err
	}
	return parseWrk(string(out), after-before)
}

// parseWrk reads the line that the script prints last. Wrong answers are an error; slow ones are not.
func parseWrk(out string, used time.Duration) (load, error) {
	line := out[strings.LastIndexByte(strings.TrimSpace(out), '\n')+1:]
	var got struct{ Requests, Microseconds, P99, Refused, SocketErrors int64 }
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		return load{}, fmt.Errorf("wrk printed %q: %w", out, err)
	}
	switch {
	case got.Refused+got.SocketErrors > 0:
		return load{}, fmt.Errorf("wrong answers: %d of %d requests were refused, %d connections failed", got.Refused, got.Requests, got.SocketErrors)
	case got.Requests == 0 || used <= 0:
		return load{}, errors.New("nothing was answered while wrk ran")
	}
	return load{
		perSecond: float64(got.Requests) / (float64(got.Microseconds) / 1e6),
		p99:       time.Duration(got.P99) * time.Microsecond,
		cpu:       used / time.Duration(got.Requests),
	}, nil
}

// stderrOf is what a command has written to its standard error.
func stderrOf(err error) string {
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(e.Stderr)
	}
	return ""
}
