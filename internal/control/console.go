package control

import (
	"context"
	"net/http"

	"mock-ec2-metadata/internal/api"
)

// Console is the part of a Daemon that the web page shows. Errors are *api.Refusal. It tells no secret.
type Console interface {
	Overview() *api.Overview
	Who() api.Who
	// Refusals returns the last ones with a number above after. With wait it waits for one, or for ctx, whose end is no error.
	Refusals(ctx context.Context, after int64, wait bool) []api.Refused
	Explain(ctx context.Context, q api.Question) (*api.Verdict, error)
	Tree(ctx context.Context, look api.Look) (*api.TreeNode, error)
	RenewCredentials(by Peer) (api.Who, error)
	// ChooseCredentials takes one of Who.Roles; "" is the file's own.
	ChooseCredentials(role string, by Peer) (api.Who, error)
	EffectiveConfig() *api.EffectiveConfig
	ConfigStatus() api.Config
	// Lines leads a kind of client to the daemon; shell is for the kind shell.
	Lines(client, shell string) (*api.Lines, error)
	// News returns what has come after a position, at most so many requests, the last ones.
	News(at int64, requests, refusals bool, most int) api.News
	// Position is that of the newest request or refusal.
	Position() int64
}

func (h *handler) consoleRoutes(paths map[string]methods) {
	paths["/v1/refusals"] = methods{http.MethodGet: {serve: h.refusals, parameters: []string{"after", "timeout"}}}
	paths["/v1/explain"] = methods{http.MethodGet: {serve: h.explain, parameters: []string{"client", "host", "origin", "path", "imds", "listener"}}}
	paths["/v1/tree"] = methods{http.MethodGet: {serve: h.tree, parameters: []string{"path", "version", "client", "reveal"}}}
	paths["/v1/credentials/renew"] = methods{http.MethodPost: {serve: h.renew}}
	paths["/v1/credentials/choice"] = methods{http.MethodPut: {serve: h.choose}, http.MethodDelete: {serve: h.unchoose}}
	paths["/v1/config"] = methods{http.MethodGet: {serve: h.config}}
	paths["/v1/env"] = methods{http.MethodGet: {serve: h.env, parameters: []string{"for", "shell"}}}
	paths["/v1/stream"] = methods{http.MethodGet: {serve: h.stream, parameters: []string{"after", "topics"}}}
}

func (h *handler) config(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, http.StatusOK, h.daemon.EffectiveConfig())
}

// env answers with lines to copy.
func (h *handler) env(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	lines, err := h.daemon.Lines(q.Get("for"), q.Get("shell"))
	if err != nil {
		return asAnswer(err)
	}
	return answer(w, http.StatusOK, lines)
}

// refusals answers with those above after. With timeout it waits for one.
func (h *handler) refusals(w http.ResponseWriter, r *http.Request) error {
	return h.newer(r, func(ctx context.Context, after int64, wait bool) error {
		return answer(w, http.StatusOK, api.Refusals{Refusals: list(h.daemon.Refusals(ctx, after, wait))})
	})
}

func (h *handler) explain(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	v, err := h.daemon.Explain(r.Context(), api.Question{
		Client: q.Get("client"), Host: q.Get("host"), Origin: q.Get("origin"), Path: q.Get("path"), IMDS: q.Get("imds"), Listener: q.Get("listener"),
	})
	if err != nil {
		return asAnswer(err)
	}
	return answer(w, http.StatusOK, v)
}

func (h *handler) tree(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	reveal := q.Get("reveal")
	if reveal != "" && reveal != "true" && reveal != "false" {
		return refuse(http.StatusUnprocessableEntity, "reveal", "reveal: "+quote(reveal)+" is neither true nor false")
	}
	n, err := h.daemon.Tree(r.Context(), api.Look{Path: q.Get("path"), Version: q.Get("version"), Client: q.Get("client"), Reveal: reveal == "true"})
	if err != nil {
		return asAnswer(err)
	}
	return answer(w, http.StatusOK, n)
}

// renew answers 202: the call to STS goes on.
func (h *handler) renew(w http.ResponseWriter, r *http.Request) error {
	who, err := h.daemon.RenewCredentials(peerOf(r))
	if err != nil {
		return asAnswer(err)
	}
	return answer(w, http.StatusAccepted, who)
}

func (h *handler) choose(w http.ResponseWriter, r *http.Request) error {
	var in struct { // api.Choice, of which nothing is undone by what is left out
		Role *string `json:"role"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	if in.Role == nil {
		return refuse(http.StatusUnprocessableEntity, "role", `role: is missing; write a name of roles, or "" for the file's own credentials`)
	}
	return h.choice(w, r, *in.Role)
}

func (h *handler) unchoose(w http.ResponseWriter, r *http.Request) error { return h.choice(w, r, "") }

func (h *handler) choice(w http.ResponseWriter, r *http.Request, role string) error {
	who, err := h.daemon.ChooseCredentials(role, peerOf(r))
	if err != nil {
		return asAnswer(err)
	}
	return answer(w, http.StatusOK, who)
}
