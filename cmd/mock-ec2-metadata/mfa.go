package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/credentials"
)

func newMFA(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "mfa CODE",
		Short: "Give the running daemon the MFA code that it waits for",
		Long: `mfa gives the code that an MFA device shows now, 6 digits, to the daemon that the same configuration and flags would start,
and says whether STS has taken it. A code that is refused changes nothing: run it again with the next one. /status says
whether a code is wanted, of which device, and where the daemon's socket is; only the daemon's own user may write to it.
In Docker: docker exec mock-ec2-metadata /mock-ec2-metadata mfa CODE`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{errors.New("mfa takes one argument, the code: mock-ec2-metadata mfa 123456")}
			}
			if err := credentials.CheckMFACode(args[0]); err != nil {
				return &usageError{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, _ := config.Load(f.sources()) // if it is wrong, the daemon goes on with the old one
			listen, s, err := findDaemon(cmd.Context(), places(f, listenAddress(f, loaded)))
			if err != nil {
				return err
			}
			address := pageAt(listen)
			if s.Credentials.MFA == nil {
				return fmt.Errorf("the daemon at %s waits for no MFA code; its credentials are %s", address, s.Credentials.State)
			}
			if s.Credentials.MFA.Socket == "" {
				return fmt.Errorf("the daemon at %s takes no codes: %s", address, s.Credentials.MFA.Error)
			}
			got, err := postCode(cmd.Context(), s.Credentials.MFA.Socket, args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), got)
			return err
		},
	}
}

// postCode gives a code to the daemon's socket and returns what it says.
func postCode(ctx context.Context, socket, code string) (string, error) {
	client := &http.Client{Timeout: codeTimeout, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://mfa"+codePath, strings.NewReader(code))
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "", fmt.Errorf("%s is only for the daemon's user: run this as that user, or as root", socket)
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%s is not here: run this where the daemon runs (docker exec mock-ec2-metadata /mock-ec2-metadata mfa CODE)", socket)
	case err != nil:
		return "", fmt.Errorf("%s gives no answer: %w", socket, errors.Unwrap(err))
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(body))
	if resp.StatusCode != http.StatusOK {
		return "", errors.New(text)
	}
	return text, nil
}
