package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"

	"github.com/go-chi/chi/v5"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/web"
)

// maxBody is how many bytes of a request's body are read.
const maxBody = 64 << 10

// Daemon is what the control socket controls.
type Daemon interface {
	Status() *api.Status
	// Reload reads the configuration again. Its error has one line per problem.
	Reload(why string) error
	// AnswerMFAOf makes the call that waits for an MFA code, and says whose credentials it gave. The call is for the credentials
	// of a role; "" is the first that wait.
	AnswerMFAOf(ctx context.Context, role, code string) (string, error)
}

// Handler answers the requests of the control socket: JSON in, JSON out.
func Handler(d Daemon, log *slog.Logger) http.Handler {
	h := &handler{d}
	adapter := &web.Adapter{Log: log, Render: render}
	r := chi.NewRouter()
	r.Get("/v1/status", adapter.Handle(h.status))
	r.Post("/v1/reload", adapter.Handle(h.reload))
	r.Post("/v1/mfa", adapter.Handle(h.mfa))
	r.NotFound(adapter.Handle(func(http.ResponseWriter, *http.Request) error { return &web.Error{Status: http.StatusNotFound} }))
	r.MethodNotAllowed(adapter.Handle(func(http.ResponseWriter, *http.Request) error {
		return &web.Error{Status: http.StatusMethodNotAllowed}
	}))
	return r
}

type handler struct{ daemon Daemon }

func (h *handler) status(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, h.daemon.Status())
}

// reload answers 422 with the problems when the configuration is wrong.
func (h *handler) reload(w http.ResponseWriter, _ *http.Request) error {
	if err := h.daemon.Reload("the reload command"); err != nil {
		return refused(http.StatusUnprocessableEntity, err)
	}
	return answer(w, h.daemon.Status().Config)
}

// mfa answers 409 with the reason when the code is not accepted.
func (h *handler) mfa(w http.ResponseWriter, r *http.Request) error {
	var in api.MFACode
	if err := decode(r, &in); err != nil {
		return err
	}
	// The call goes on when the command has gone: the code is used up anyway.
	text, err := h.daemon.AnswerMFAOf(context.WithoutCancel(r.Context()), in.Role, in.Code)
	if err != nil {
		return refused(http.StatusConflict, err)
	}
	return answer(w, api.MFAResult{Result: text})
}

// decode reads one JSON document without unknown fields.
func decode(r *http.Request, into any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return refused(http.StatusUnsupportedMediaType, errors.New("send Content-Type: application/json"))
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return refused(http.StatusRequestEntityTooLarge, errors.New("the body has more than 64 KiB"))
	}
	if err != nil {
		return refused(http.StatusBadRequest, err)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return refused(http.StatusUnprocessableEntity, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return refused(http.StatusUnprocessableEntity, errors.New("the body has more than one JSON document"))
	}
	return nil
}

// refusal is an error whose text the client may see.
type refusal struct{ error }

func refused(status int, err error) error {
	return &web.Error{Status: status, Err: refusal{err}}
}

// render writes an error as {"error": "..."}.
func render(w http.ResponseWriter, _ *http.Request, e *web.Error) {
	text := http.StatusText(e.Status)
	if r, ok := errors.AsType[refusal](e.Err); ok {
		text = r.Error()
	}
	write(w, e.Status, api.Error{Error: text})
}

func answer(w http.ResponseWriter, document any) error {
	write(w, http.StatusOK, document)
	return nil
}

// write sends a document of package api, which always marshals.
func write(w http.ResponseWriter, status int, document any) {
	body, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		panic(err)
	}
	web.Write(w, status, "application/json", append(body, '\n'))
}
