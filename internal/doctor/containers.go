package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"strings"
	"syscall"
	"time"
)

// engineTimeout bounds the question to the container engine, which is on this machine.
const engineTimeout = 2 * time.Second

// hasEngine reports whether there is anything for examineContainers.
func (d *doctor) hasEngine() bool { return d.loaded != nil && d.loaded.Config.Containers.Engine != "" }

// examineContainers asks the container engine whether it is there.
func (d *doctor) examineContainers(ctx context.Context) Finding {
	engine := d.loaded.Config.Containers.Engine
	socket := strings.TrimPrefix(engine, "unix://")
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine/_ping", nil)
	if err != nil {
		return failure(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return engineFailure(engine, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if resp.StatusCode != http.StatusOK || strings.TrimSpace(string(body)) != "OK" {
		return Finding{Mark: Fail, Text: fmt.Sprintf("what listens at %s does not answer as a container engine does (%s); set containers.engine to the engine's socket", engine, resp.Status)}
	}
	return Finding{Mark: OK, Text: engine + " answers"}
}

// engineFailure says why an engine's socket does not answer, and what to do.
func engineFailure(engine string, err error) Finding {
	const elsewhere = "set containers.engine to its socket (Podman: unix:///run/podman/podman.sock as root, else unix:///run/user/UID/podman/podman.sock)"
	text := ""
	switch {
	case errors.Is(err, fs.ErrPermission):
		text = fmt.Sprintf("%s: the user %s may not use this socket; add the user to its group (Docker: sudo usermod -aG docker %[2]s, then log in again), or run the daemon as a user who may",
			engine, userName())
	case errors.Is(err, fs.ErrNotExist):
		text = engine + ": there is no such socket; start the engine (sudo systemctl start docker), or " + elsewhere
	case errors.Is(err, syscall.ECONNREFUSED):
		text = engine + ": nothing listens at this socket; start the engine (sudo systemctl start docker), or " + elsewhere
	case errors.Is(err, context.DeadlineExceeded):
		text = fmt.Sprintf("%s: no answer within %v; restart the engine (sudo systemctl restart docker)", engine, engineTimeout)
	default:
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		text = fmt.Sprintf("%s: %v; %s", engine, err, elsewhere)
	}
	return Finding{Mark: Fail, Text: text}
}

// userName is the name of this process's user, or the number.
func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprint(os.Geteuid())
}
