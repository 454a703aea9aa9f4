package control

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/web"
)

// Daemon is what the control socket controls.
type Daemon interface {
	Simulator
	Console
	// Reload reads the configuration again. Its error has one line per problem.
	Reload(why string) error
	// AnswerMFAOf makes the call that waits for an MFA code, and says whose credentials it gave. The call is for the credentials
	// of a role; "" is the first that wait.
	AnswerMFAOf(ctx context.Context, role, code string) (string, error)
}

// Handler answers the requests of the control socket: JSON in, JSON out.
func Handler(d Daemon, log *slog.Logger) http.Handler {
	h := &handler{daemon: d, waiting: make(chan struct{}, maxWaiting), streams: make(chan struct{}, maxStreams)}
	adapter := &web.Adapter{Log: log, Render: render}
	r := chi.NewRouter()
	paths := map[string]methods{
		"/v1/status": {http.MethodGet: {serve: h.status}},
		"/v1/reload": {http.MethodPost: {serve: h.reload}},
		"/v1/mfa":    {http.MethodPost: {serve: h.mfa}},

		"/v1/events": {
			http.MethodGet: {serve: h.events}, http.MethodPost: {serve: put(d.PutEvent)}, http.MethodDelete: {serve: remove(d.DeleteEvents)},
		},
		"/v1/events/{id}": {
			http.MethodGet: {serve: get(d.Event)}, http.MethodPut: {serve: put(d.PutEvent)}, http.MethodPost: {serve: h.changeEvent},
			http.MethodDelete: {serve: remove(d.DeleteEvents)},
		},
		"/v1/events/{id}/wait": {http.MethodGet: {serve: h.waitEvent, parameters: []string{"phase", "timeout"}}},
		"/v1/faults": {
			http.MethodGet: {serve: h.faults}, http.MethodPost: {serve: put(d.PutFault)}, http.MethodDelete: {serve: remove(d.DeleteFaults)},
		},
		"/v1/faults/{id}": {
			http.MethodGet: {serve: get(d.Fault)}, http.MethodPut: {serve: put(d.PutFault)}, http.MethodDelete: {serve: remove(d.DeleteFaults)},
		},
		"/v1/requests": {http.MethodGet: {serve: h.requests, parameters: []string{"after", "path", "timeout"}}},
		"/v1/state":    {http.MethodGet: {serve: h.state, parameters: []string{"after", "timeout"}}},
	}
	h.consoleRoutes(paths)
	for path, allowed := range paths {
		r.HandleFunc(path, adapter.Handle(allowed.serve))
	}
	r.NotFound(adapter.Handle(func(http.ResponseWriter, *http.Request) error { return &web.Error{Status: http.StatusNotFound} }))
	r.MethodNotAllowed(adapter.Handle(methods{}.serve)) // methods that chi does not know
	return r
}

type handler struct {
	daemon  Daemon
	waiting chan struct{} // holds one for each request that waits
	streams chan struct{} // holds one for each stream
}

// methods are what a path allows.
type methods map[string]call

type call struct {
	serve      web.Handler
	parameters []string // that the query may have
}

// serve checks what all requests have in common, and answers those of an allowed method.
func (m methods) serve(w http.ResponseWriter, r *http.Request) error {
	c, ok := m[r.Method]
	if !ok {
		return &web.Error{Status: http.StatusMethodNotAllowed, Allow: strings.Join(slices.Sorted(maps.Keys(m)), ", ")}
	}
	if err := checkQuery(r, c.parameters); err != nil {
		return err
	}
	if r.ContentLength != 0 && !isJSON(r) {
		return errNotJSON()
	}
	return c.serve(w, r)
}

func (h *handler) status(w http.ResponseWriter, _ *http.Request) error {
	o := h.daemon.Overview()
	o.WithoutIDs()
	return answer(w, http.StatusOK, o)
}

// reload answers 422 with the problems when the configuration is wrong.
func (h *handler) reload(w http.ResponseWriter, _ *http.Request) error {
	if err := h.daemon.Reload("the reload command"); err != nil {
		return refuse(http.StatusUnprocessableEntity, "", err.Error())
	}
	return answer(w, http.StatusOK, h.daemon.ConfigStatus())
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
		return refuse(http.StatusConflict, "", err.Error())
	}
	return answer(w, http.StatusOK, api.MFAResult{Result: text})
}
