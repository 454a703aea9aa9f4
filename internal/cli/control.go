package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/control"
	"mock-ec2-metadata/internal/privileges"
	"mock-ec2-metadata/internal/probe"
	"mock-ec2-metadata/internal/sdkenv"
)

// controlVariable names the control socket, as --control does.
const controlVariable = "MOCK_EC2_METADATA_CONTROL"

// controlPlace is the directory of the control socket under server.control: auto. It is chosen while the process is still root.
type controlPlace struct{ dir string }

func newControlPlace() *controlPlace { return &controlPlace{dir: control.Directory()} }

// prepare makes the directory for the user that root is about to become. An error shows when the socket is made.
func (p *controlPlace) prepare(loaded *config.Loaded, u *privileges.User) {
	if loaded.Config.Server.Control == control.Auto {
		p.dir = control.Directory() // the environment is the user's by now
		_ = control.Prepare(p.dir, u.UID, u.GID)
	}
}

// open makes the control socket of a daemon, and what it opens. Under server.control: off it returns nil.
func (p *controlPlace) open(c config.Server, log *slog.Logger) func(*app.App) (app.Control, error) {
	if c.Control == control.Off {
		return nil
	}
	return func(a *app.App) (app.Control, error) {
		_, port, err := net.SplitHostPort(a.Addrs()[0].String())
		if err != nil {
			return nil, err
		}
		if err := checkConsole(c, log); err != nil {
			return nil, err
		}
		s, err := control.Listen(c.Control, p.dir, port, a, log)
		if err != nil {
			return nil, err
		}
		addConsole(s, c, a, log)
		if c.ControlListen == "" {
			return s, nil
		}
		if err := s.ListenTCP(c.ControlListen); err != nil {
			s.Close()
			return nil, err
		}
		return s, nil
	}
}

// addControl adds --control to a command that uses the control socket.
func addControl(cmd *cobra.Command, f *flags) *cobra.Command {
	cmd.Flags().StringVar(&f.control, "control", "", "control `SOCKET` of the daemon (default "+controlVariable+", or the only daemon that runs)")
	return cmd
}

// controlClient finds the control socket: by --control, the variable, the status page of --listen, or as the only one.
func controlClient(cmd *cobra.Command, f *flags) (*control.Client, error) {
	socket := f.control
	if socket == "" {
		socket = sdkenv.Lookup(f.environ, controlVariable)
		if _, err := os.Stat(socket); socket != "" && errors.Is(err, fs.ErrNotExist) {
			return nil, &exitError{exitNoDaemon, fmt.Errorf("%s names %s, which does not exist; unset it, or run this where the daemon runs", controlVariable, socket)}
		}
	}
	if socket != "" {
		return control.NewClient(socket), nil
	}
	if len(f.listen) == 0 {
		found, err := control.Find()
		if err != nil {
			return nil, &exitError{exitNoDaemon, err}
		}
		return control.NewClient(found), nil
	}
	s, err := probe.Status(cmd.Context(), api.StatusPage(f.listen[0]))
	switch {
	case err != nil:
		return nil, &exitError{exitNoDaemon, fmt.Errorf("%w; start the daemon, or name its socket with --control", err)}
	case s.Control == nil:
		return nil, fmt.Errorf("the daemon at %s has no control socket (server.control: off), or does not tell this machine", api.URL(f.listen[0]))
	case s.Control.Error != "":
		return nil, fmt.Errorf("the daemon at %s: %s", api.URL(f.listen[0]), s.Control.Error)
	default:
		return control.NewClient(s.Control.Socket), nil
	}
}

// controlError gives an unreachable socket its exit code. An error of several lines starts on a line of its own.
func controlError(err error) error {
	if _, ok := errors.AsType[*control.UnreachableError](err); ok {
		return &exitError{exitNoDaemon, err}
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		return fmt.Errorf("\n%w", err)
	}
	return err
}
