package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// reason is why the engine cannot be asked, and the fix.
type reason struct{ problem, fix string }

func (r reason) String() string {
	if r.fix == "" {
		return r.problem
	}
	return r.problem + "; " + r.fix
}

// explain finds the reason in an error.
func (c *client) explain(err error) reason {
	refused := (*statusError)(nil)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return reason{c.path + ": permission denied", "add the user of this program to the group of the socket, such as docker"}
	case errors.Is(err, fs.ErrNotExist):
		return reason{c.path + ": no such file", "start Docker, or Podman's podman.socket, or correct containers.engine"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return reason{c.path + ": no engine listens there", "start Docker, or Podman's podman.socket"}
	case errors.As(err, &refused) && refused.code == http.StatusForbidden:
		return reason{c.path + ": " + refused.Error(), "allow this request at the proxy that filters the API"}
	case errors.As(err, &refused) && refused.code >= http.StatusInternalServerError:
		return reason{c.path + ": " + refused.Error(), "see the engine's log"}
	case errors.Is(err, context.DeadlineExceeded):
		return reason{c.path + ": no answer in time", "see whether the engine hangs"}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return reason{c.path + ": the engine closed the connection", "see whether it runs"}
	}
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		if wrapped.Timeout() {
			return c.explain(context.DeadlineExceeded)
		}
		err = wrapped.Err
	}
	return reason{problem: c.path + ": " + printable(strings.TrimSpace(err.Error()), 2*maxQuoted)}
}

// statusError is an answer other than 200.
type statusError struct {
	request, message string
	code             int
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%s: %d %s", e.request, e.code, http.StatusText(e.code))
	if e.message != "" {
		text += ", " + e.message
	}
	return text
}
