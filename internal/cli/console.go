package cli

import (
	"errors"
	"fmt"
	"net/url"
	"os/user"
	"strings"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/sdkenv"
)

// consoleFlags are those of the command console.
type consoleFlags struct{ open, revoke, reset bool }

func newConsole(f *flags) *cobra.Command {
	var own consoleFlags
	cmd := &cobra.Command{
		Use:   "console",
		Short: "Show the running daemon in your browser",
		Long: `The running daemon opens a port of this machine for its page, and console prints the page's URL. The URL opens one session, once,
within 60 seconds: run console again for another tab. No port is open before, nor once there has been no session for 15 minutes.

With --open, the page opens in the browser of this machine. Over SSH, console also prints the ssh command for your own machine.
--revoke ends all sessions and closes the port. --reset goes back to the role of the configuration, if another was chosen on the page.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if own.open && (own.revoke || own.reset) {
				return &usageError{errors.New("--open goes with neither --revoke nor --reset; leave one of them out")}
			}
			return runConsole(cmd, f, own)
		},
	}
	cmd.Flags().BoolVar(&own.open, "open", false, "open the page in the browser")
	cmd.Flags().BoolVar(&own.revoke, "revoke", false, "end all sessions of the page and close its port")
	cmd.Flags().BoolVar(&own.reset, "reset", false, "go back to the role of the configuration")
	return addControl(cmd, f)
}

func runConsole(cmd *cobra.Command, f *flags, own consoleFlags) error {
	client, err := controlClient(cmd, f)
	if err != nil {
		return err
	}
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	if own.reset {
		if err := client.ResetRole(ctx); err != nil {
			return controlError(err)
		}
		fmt.Fprintln(out, "clients get the role of the configuration")
	}
	if own.revoke {
		if err := client.RevokeConsole(ctx); err != nil {
			return controlError(err)
		}
		fmt.Fprintln(out, "all sessions have ended, and the port is closed")
	}
	if own.reset || own.revoke {
		return nil
	}
	opened, err := client.OpenConsole(ctx)
	if err != nil {
		return controlError(err)
	}
	line := sshLine(f.environ, opened.URL)
	if own.open && line == "" {
		if err := openBrowser(ctx, opened.URL, browserWait); err != nil {
			return fmt.Errorf("no browser was opened: %w; run console without --open, and open the URL yourself", err)
		}
		fmt.Fprintln(out, "the page opens in your browser")
		return nil
	}
	fmt.Fprintln(out, opened.URL)
	if line != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), line)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "It works once, for %d seconds.\n", opened.ExpiresIn)
	return nil
}

// sshLine is the command that makes the port of a URL reachable on the machine that the user has come from by SSH; "" without SSH.
func sshLine(environ []string, from string) string {
	connection := strings.Fields(sdkenv.Lookup(environ, "SSH_CONNECTION")) // ssh(1): client, its port, server, its port
	u, err := url.Parse(from)
	if len(connection) != 4 || err != nil {
		return ""
	}
	var line strings.Builder
	line.WriteString("on your own machine, before you open it: ssh -N -L " + u.Port() + ":" + u.Host)
	if port := connection[3]; port != "22" {
		line.WriteString(" -p " + port)
	}
	host := connection[2]
	if me, err := user.Current(); err == nil && me.Username != "" {
		host = me.Username + "@" + host
	}
	line.WriteString(" " + host)
	return line.String()
}
