package app

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/guard"
	"mock-ec2-metadata/internal/tree"
	"mock-ec2-metadata/internal/web"
)

// verdict is an api.Verdict that is being found.
type verdict struct{ api.Verdict }

// pass notes a rule that lets the request go on.
func (v *verdict) pass(name, text string) {
	v.Rules = append(v.Rules, api.Rule{Name: name, OK: true, Text: text})
}

// refuse notes the rule that ends the request, with the key and value that would let it go on, "" for none.
func (v *verdict) refuse(status int, name, text, key, value string) *api.Verdict {
	v.Status = status
	v.Rules = append(v.Rules, api.Rule{Name: name, Text: text, Key: key, Value: value})
	return &v.Verdict
}

// Explain says what a request would get and why, rule by rule, without sending it. Its error is an *api.Refusal.
func (a *App) Explain(ctx context.Context, q api.Question) (*api.Verdict, error) {
	r, err := a.madeUp(ctx, q)
	if err != nil {
		return nil, err
	}
	s, v := a.State(), &verdict{api.Verdict{Rules: []api.Rule{}}}
	allowedBy, denied := a.guard.Judge(r)
	for _, rule := range allowedBy {
		v.pass(rule, a.whyAllowed(s, rule, r))
	}
	if denied != nil {
		key, value := a.allowing(denied.Key, denied.Item)
		return v.refuse(denied.Status, denied.Rule, denied.Text, key, value), nil
	}
	c, err := a.lookUp(s, r)
	if err != nil {
		return v.refuse(http.StatusServiceUnavailable, "identity", err.Error(), "", ""), nil
	}
	v.Entry, v.Instance, v.Role = s.identities.name(c.entry), s.instanceID(c.identity), c.identity.grant.name
	if c.pod != nil {
		v.Entry = c.workload.Name
	}
	v.pass("identity", whoseText(v.Entry, c))
	return a.explainService(s, c, r, v, q.IMDS), nil
}

// explainService says what the metadata service does with a request that has come to it.
func (a *App) explainService(s *State, c client, r *http.Request, v *verdict, version string) *api.Verdict {
	path := web.Path(r)
	switch at := a.surfaceOf(r); {
	case (at == ecsOnly || at == podIdentityOnly) && (isMetadataPath(path) || path == statusPath):
		return v.refuse(http.StatusNotFound, "service", "this listener serves "+at.String()+" alone", "", "")
	case path == statusPath:
		v.pass("service", "the path is the daemon's own")
		v.Allowed, v.Status = true, http.StatusOK
		return &v.Verdict
	case at != metadataOnly && !isMetadataPath(path):
		v.pass("service", "the path is not one of the metadata service, so what it answers is not known here")
		v.Allowed = true
		return &v.Verdict
	}
	made, _ := s.peekMetadata(c, web.Remote(r))
	switch {
	case made == nil:
		return v.refuse(http.StatusInternalServerError, "tree", "the tree of this client cannot be made; see the log", "", "")
	case made.target.Faults != nil:
		return v.refuse(0, "events", "an event says that the instance is off: there is no answer", "", "")
	case made.target.Disabled:
		key, value := s.allowingOption(c, "http_endpoint", "enabled")
		return v.refuse(http.StatusForbidden, "http_endpoint", "http_endpoint is disabled", key, value)
	}
	v.pass("http_endpoint", "http_endpoint is enabled")
	switch {
	case path == tokenPath:
		return v.refuse(http.StatusMethodNotAllowed, "method", "the path of session tokens answers PUT alone", "", "")
	case version == "v1" && made.target.TokensRequired:
		key, value := s.allowingOption(c, "http_tokens", "optional")
		return v.refuse(http.StatusUnauthorized, "http_tokens", "http_tokens is required: IMDSv1 gets 401; ask for a session token first", key, value)
	case version == "v1":
		v.pass("http_tokens", "http_tokens is optional: IMDSv1 is served, too")
	default:
		v.pass("http_tokens", "IMDSv2 is served, with a valid session token")
	}
	node := made.target.Tree.Lookup(path)
	if node == nil {
		return v.refuse(http.StatusNotFound, "path", "there is no such path for this client", "", "")
	}
	v.pass("path", "the path exists for this client")
	v.Allowed, v.Status = true, http.StatusOK
	if node.Kind == tree.Credentials || node.Kind == tree.ExtendedCredentials {
		s.explainCredentials(c, v)
	}
	if n := len(s.Faults.Rules()); n > 0 {
		v.Status = 0
		v.pass("faults", fmt.Sprintf("%d faults are active, and may change the answer", n))
	}
	return &v.Verdict
}

// allowingOption is the key of a metadata option of a client that would allow a request with a value; "" if an event has set the option.
func (s *State) allowingOption(c client, option, value string) (key, allowing string) {
	in, _ := s.Config.InstanceOf(c.identity.entry, c.identity.grant.credentials)
	options := &in.EC2.MetadataOptions
	if configured := map[string]string{"http_tokens": options.HTTPTokens, "http_endpoint": options.HTTPEndpoint}; configured[option] == value {
		return "", ""
	}
	key = "ec2.metadata_options." + option
	if s.Config.EntryOrigin(c.identity.entry, key) != "" {
		key = s.identities.name(c.identity.entry) + "." + key
	}
	return key, value
}

// explainCredentials says what a document of credentials has. An error in it has the status 200, as on EC2, unless the error passes.
func (s *State) explainCredentials(c client, v *verdict) {
	if denied := c.identity.grant.denied; denied != nil {
		v.pass("credentials", "the document has none: "+denied.Message)
		return
	}
	keeper := s.serve(c.identity).keeper
	if keeper == nil {
		return
	}
	switch state := keeper.State(); {
	case state.Valid:
		v.pass("credentials", "there are valid ones")
	case state.LastError != nil:
		v.Status = 0
		v.pass("credentials", "there are none now: "+state.LastError.Message)
	default:
		v.Status = 0
		v.pass("credentials", "there are none yet; the daemon gets them when the first client asks")
	}
}

// tokenPath gives session tokens.
const tokenPath = "/latest/api/token" //nolint:gosec // a path, not a secret

// whoseText says for whom an identity is.
func whoseText(entry string, c client) string {
	text := cmp.Or(entry, "no entry of clients matches: the file's own instance")
	if c.workload != nil {
		text += ", as " + c.workload.Name + " which names the role " + strconv.Quote(c.workload.Role)
	}
	if c.identity.grant.denied != nil {
		text += ": " + c.identity.grant.denied.Message
	}
	return text
}

// whyAllowed says why a rule of the guard allows a request.
func (a *App) whyAllowed(s *State, rule string, r *http.Request) string {
	client := web.Remote(r)
	switch rule {
	case "clients":
		switch {
		case a.guard.ClassBy(s.Rules, client) == guard.Local:
			return "client " + client.String() + " is this machine"
		case s.Rules.Auto:
			return "client " + client.String() + " is in a network of this machine's containers and virtual machines (server.allow_clients: auto)"
		default:
			return "client " + client.String() + " is in server.allow_clients"
		}
	case "hosts":
		return fmt.Sprintf("Host %.100q is allowed: no web page can have it, or server.allow_hosts lists it", r.Host)
	case "origins":
		if origin := r.Header.Get("Origin"); origin != "" {
			return fmt.Sprintf("pages of %.100q are in server.allow_origins", origin)
		}
		return "it does not come from a web page"
	case "proxies":
		return "no proxy has forwarded it"
	default:
		return "it is within server.limits"
	}
}
