package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/config"
)

const (
	statusTimeout = 7 * time.Second // /status may wait 5
	// dialTimeout is plenty for this machine's own addresses, and bounds the wait for one that leads nowhere.
	dialTimeout = time.Second
)

func newHealthcheck(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the running daemon's /status; exit 0 if it serves, 1 if not",
		Long: `healthcheck asks the /status page of the daemon that the same configuration and flags would start, and prints its status.
Where nothing answers there and --listen is not given, it asks the default address too: a changed server.listen takes a
restart. It exits 0 as long as the daemon serves, ok or degraded, and 1 otherwise. For Docker's HEALTHCHECK and systemd.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := config.Load(f.sources())
			listen := listenAddress(f, loaded)
			if err != nil && len(f.listen) == 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "the configuration is wrong, asking %s: %v\n", listen, err)
			}
			_, s, err := findDaemon(cmd.Context(), places(f, listen))
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			fmt.Fprintln(out, s.Status)
			for _, problem := range s.problems() {
				fmt.Fprintln(out, problem)
			}
			return nil
		},
	}
}

// listenAddress is where the daemon listens by the configuration. A file that is being edited and wrong at the moment (nil)
// says nothing about the daemon, which goes on with the old one.
func listenAddress(f *flags, loaded *config.Loaded) string {
	switch {
	case loaded != nil:
		return loaded.Config.Server.Listen[0]
	case len(f.listen) > 0:
		return f.listen[0]
	default:
		return config.DefaultListen
	}
}

// places are where to look for that daemon. Unless a flag has named the address, the default one is the second: the file may
// have changed, but listening elsewhere takes a restart.
func places(f *flags, listen string) []string {
	if len(f.listen) > 0 || listen == config.DefaultListen {
		return []string{listen}
	}
	return []string{listen, config.DefaultListen}
}

// findDaemon gives the first place where a daemon answers, and its status, or what is wrong with the first place.
func findDaemon(ctx context.Context, places []string) (listen string, s *status, err error) {
	for i, place := range places {
		s, placeErr := askStatus(ctx, pageAt(place))
		if placeErr == nil {
			return place, s, nil
		}
		if i == 0 {
			err = placeErr
		}
	}
	return places[0], nil, err
}

// pageAt is the /status page of a listener.
func pageAt(listen string) string {
	return (&url.URL{Scheme: "http", Host: reachable(listen), Path: "/status"}).String()
}

// reachable is where this machine reaches a listener: the loopback address in place of an unspecified one.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	ip := net.ParseIP(host)
	switch {
	case host == "" || ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}

// strangerError says that what answers at an address is not the daemon.
type strangerError struct {
	page   string
	answer string // e.g. 404 Not Found; "": not even that
	server string // what it calls itself, if it does
	err    error  // instead of an answer
}

func (e *strangerError) Error() string {
	switch {
	case e.answer == "":
		return fmt.Sprintf("what listens at %s does not answer as mock-ec2-metadata does: %v", e.page, e.err)
	case e.server == "":
		return fmt.Sprintf("%s answers %s, but not as mock-ec2-metadata does", e.page, e.answer)
	default:
		return fmt.Sprintf("%s answers %s, but not as mock-ec2-metadata does (it is %q)", e.page, e.answer, e.server)
	}
}

// askStatus reads the /status page of a daemon. Its error is a strangerError if something else is there.
func askStatus(ctx context.Context, page string) (*status, error) {
	resp, err := ask(ctx, http.MethodGet, page, nil)
	if _, malformed := errors.AsType[*url.Error](err); malformed {
		return nil, err
	}
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" || ctx.Err() != nil {
			return nil, fmt.Errorf("nothing answers at %s: %w", page, err)
		}
		return nil, &strangerError{page: page, err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	var s status
	err = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&s)
	if err != nil || resp.StatusCode != http.StatusOK || s.Status == "" || s.InstanceID == "" {
		return nil, &strangerError{page: page, answer: resp.Status, server: resp.Header.Get("Server")}
	}
	return &s, nil
}

// ask makes one request, and follows nobody elsewhere. Proxy settings are for the world outside, not for the daemon next
// door.
func ask(ctx context.Context, method, address string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header = header
	client := &http.Client{
		Timeout:       statusTimeout,
		Transport:     &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if u, ok := errors.AsType[*url.Error](err); ok {
		return nil, u.Err
	}
	return resp, err
}
