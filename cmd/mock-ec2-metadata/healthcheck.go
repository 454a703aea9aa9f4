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

const healthcheckTimeout = 7 * time.Second // /status may wait 5

func newHealthcheck(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the running daemon's /status; exit 0 if it serves, 1 if not",
		Long: `healthcheck asks the /status page of the daemon that the same configuration and flags would start, and prints its status.
Where nothing answers there and --listen is not given, it asks the default address too: a changed server.listen takes a
restart. It exits 0 as long as the daemon serves, ok or degraded, and 1 otherwise. For Docker's HEALTHCHECK and systemd.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			configured, standard := statusURL(f, cmd.ErrOrStderr()), pageAt(config.DefaultListen)
			err := healthcheck(cmd, configured)
			if err != nil && len(f.listen) == 0 && configured != standard && healthcheck(cmd, standard) == nil {
				return nil // the file has changed, but listening elsewhere takes a restart
			}
			return err
		},
	}
}

// statusURL is where the daemon listens by the configuration. A file that is being edited and wrong at the moment says
// nothing about the daemon, which goes on with the old one.
func statusURL(f *flags, stderr io.Writer) string {
	address := config.DefaultListen
	switch loaded, err := config.Load(f.sources()); {
	case err == nil:
		address = loaded.Config.Server.Listen[0]
	case len(f.listen) > 0:
		address = f.listen[0]
	default:
		fmt.Fprintf(stderr, "the configuration is wrong, asking %s: %v\n", address, err)
	}
	return pageAt(address)
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

// askStatus asks a daemon for its status.
func askStatus(ctx context.Context, address string) (*status, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	// Proxy settings are for the world outside, not for the daemon next door.
	client := &http.Client{Timeout: healthcheckTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return nil, fmt.Errorf("nothing answers at %s: %w", address, err)
	}
	defer func() { _ = resp.Body.Close() }()
	var s status
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&s); err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s, but not as mock-ec2-metadata does", address, resp.Status)
	}
	return &s, nil
}

func healthcheck(cmd *cobra.Command, address string) error {
	s, err := askStatus(cmd.Context(), address)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintln(out, s.Status)
	for _, problem := range []string{s.Config.Error, s.Credentials.LastError, s.IdentityError} {
		if problem != "" {
			fmt.Fprintln(out, problem)
		}
	}
	return nil
}
