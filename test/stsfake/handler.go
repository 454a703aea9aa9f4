package stsfake

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	apiVersion = "2011-06-15"
	maxBody    = 256 << 10
)

// call is one authenticated request for an action.
type call struct {
	form   url.Values
	caller *credential
	now    time.Time
}

// actions maps the Action parameter to its implementation, which returns a result element.
var actions = map[string]func(*Server, call) (any, error){
	"AssumeRole":        (*Server).assumeRole,
	webIdentityAction:   (*Server).assumeRoleWithWebIdentity,
	"GetSessionToken":   (*Server).getSessionToken,
	"GetCallerIdentity": (*Server).getCallerIdentity,
}

// service is one of the AWS services that a Server implements: its handler, and how it writes results and faults.
type service struct {
	answer func(*Server, http.ResponseWriter, *http.Request) (action string, result any, err error)
	write  func(w http.ResponseWriter, action string, result any, id string)
	fail   func(w http.ResponseWriter, f Fault, id string)
}

var (
	sts = service{
		answer: (*Server).answer,
		write: func(w http.ResponseWriter, action string, result any, id string) {
			writeXML(w, http.StatusOK, newResponse(action, result, id))
		},
		fail: func(w http.ResponseWriter, f Fault, id string) { writeXML(w, f.Status, newErrorResponse(f, id)) },
	}
	// ssoServices are the services of IAM Identity Center by path.
	ssoServices = map[string]service{
		portalPath: {answer: (*Server).getRoleCredentials, write: writeResult, fail: failPortal},
		oidcPath:   {answer: (*Server).createToken, write: writeResult, fail: failOIDC},
	}
)

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := newUUID()
	w.Header().Set("X-Amzn-Requestid", id)
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))

	called, ok := ssoServices[r.URL.Path]
	if !ok {
		called = sts
	}
	action, result, err := called.answer(s, w, r)
	if err == nil {
		called.write(w, action, result, id)
		return
	}
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // the client has left or the server closes: close the connection without an answer
	}
	var fault Fault
	if !errors.As(err, &fault) {
		fault = InternalFailure
		fault.Message = err.Error()
	}
	called.fail(w, fault, id)
}

// answer answers for STS: it records the request, applies the behavior, checks the signature and runs the action. It
// records first, so that tests can count requests that fail or hang.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) (action string, result any, err error) {
	if r.Method != http.MethodPost || r.URL.Path != "/" {
		return "", nil, Fault{Status: http.StatusNotFound, Code: "UnknownOperationException", Message: "POST / only"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return "", nil, Fault{Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLarge", Message: err.Error()}
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return "", nil, Fault{Status: http.StatusBadRequest, Code: "MalformedInput", Message: err.Error()}
	}
	action = form.Get("Action")
	now := s.now()

	auth, authErr := s.verify(r, body, now)
	s.record(Request{
		Action: action, Form: form, CallerARN: auth.callerARN(), AccessKeyID: auth.keyID, Region: auth.region,
		UserAgent: r.UserAgent(), Time: now,
	})
	if err := s.applyBehavior(r.Context(), action, form, auth.caller); err != nil {
		return action, nil, err
	}

	run, ok := actions[action]
	switch {
	case action == "":
		return action, nil, Fault{Status: http.StatusBadRequest, Code: "MissingAction", Message: "Missing Action"}
	case !ok || form.Get("Version") != apiVersion:
		return action, nil, Fault{
			Status: http.StatusBadRequest, Code: "InvalidAction",
			Message: "Could not find operation " + action + " for version " + form.Get("Version"),
		}
	case authErr != nil && action != webIdentityAction: // which is unsigned
		return action, nil, authErr
	}
	result, err = run(s, call{form: form, caller: auth.caller, now: now})
	return action, result, err
}
