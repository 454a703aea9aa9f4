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

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/sdkenv"
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

// containerVariables looks at the variables by which containers get credentials. ours says that they lead to the daemon, as env
// --role sets them. It never shows values: an id is a secret.
func (d *doctor) containerVariables(environ []string) (lines []string, ours bool) {
	const variable = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	value := sdkenv.Lookup(environ, variable)
	if u, err := url.Parse(value); err == nil && value != "" {
		id, isOurs := strings.CutPrefix(u.Path, "/v2/credentials/")
		_, port, _ := net.SplitHostPort(d.found)
		if ours = isOurs && d.daemon != nil && u.Hostname() == "127.0.0.1" && u.Port() == port; ours {
			lines = append(lines, roleLine(variable, d.daemon, id))
		}
		if !ours && u.Scheme == "https" {
			lines = append(lines, variable+" is an https URL, which boto3 before 1.42.5 refuses; unset it, or start clients with: mock-ec2-metadata exec --role NAME -- COMMAND")
		}
	}
	const file = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
	path := sdkenv.Lookup(environ, file)
	if path == "" || ours {
		return lines, ours
	}
	if token, err := os.ReadFile(path); err == nil && strings.ContainsAny(string(token), "\r\n") { //nolint:gosec // the user's variable
		lines = append(lines, fmt.Sprintf("%s names a file with the end of a line in it, which SDKs refuse; write it without: printf %%s \"$(cat %s)\" >%[2]s.new && mv %[2]s.new %[2]s", file, quoted(path)))
	}
	return lines, ours
}

// roleLine says which role of the daemon an id is of.
func roleLine(variable string, daemon *api.Status, id string) string {
	for _, identity := range daemon.Identities {
		if identity.ID != "" && identity.ID == id {
			return "clients that you start from this shell get the role " + identity.Role + " from the daemon (" + variable + ", as env --role sets it)"
		}
	}
	return variable + ` leads to the daemon, but has an id that is none of its roles'; set it again: eval "$(mock-ec2-metadata env --role NAME)"`
}
