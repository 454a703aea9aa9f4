package ecs

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"mock-ec2-metadata/internal/web"
)

const roleARN = "arn:aws:iam::123456789012:role/p/web"

// paths finds the role web by its name and its ARN, and as the client's own. It notes what it was asked.
type paths struct {
	*byID
	own, err error
	asked    []string
}

func (p *paths) find(ok bool, asked string) (CredentialSource, error) {
	p.asked = append(p.asked, asked)
	if !ok || p.err != nil {
		return nil, p.err
	}
	return valid(), nil
}

func (p *paths) ByID(r *http.Request, id string) (CredentialSource, error) {
	if p.byID == nil {
		return nil, nil
	}
	return p.byID.ByID(r, id)
}

func (p *paths) Own(*http.Request) (CredentialSource, error) { return p.find(p.own == nil, "own") }

func (p *paths) ByName(_ *http.Request, name string) (CredentialSource, error) {
	return p.find(name == "web", "name "+name)
}

func (p *paths) ByARN(_ *http.Request, arn string) (CredentialSource, error) {
	return p.find(arn == roleARN, "arn "+arn)
}

func TestHandler_ServesRolesByPath(t *testing.T) {
	runRequests(t, always{&Service{ByPath: true, Finder: &paths{}}}, []requestTest{
		jsonTest("own", "GET /creds", ok, document),
		jsonTest("own, slash", "GET /creds/", ok, document),
		{"own, HEAD", "HEAD /creds", ok, jsonOf(document), ""},
		jsonTest("name", "GET /role/web", ok, document),
		jsonTest("name, slash", "GET //role//web/", ok, document),
		jsonTest("ARN", "GET /role-arn/"+roleARN, ok, document),
		jsonTest("ARN, slash", "GET /role-arn/"+roleARN+"/", ok, document),
		jsonTest("ARN and name", "GET /role-arn/"+roleARN+"/web", ok, document),
		jsonTest("ARN and name, slash", "GET /role-arn/"+roleARN+"/web/", ok, document),
		jsonTest("escapes", "GET /role-arn/arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fp%2Fweb", ok, document),
		pageTest("another name", "GET /role/jobs", absent, absentPage),
		pageTest("no name", "GET /role/", absent, absentPage),
		pageTest("a path as a name", "GET /role/p/web", absent, absentPage),
		pageTest("another ARN", "GET /role-arn/arn:aws:iam::123456789012:role/web", absent, absentPage),
		pageTest("ARN and another name", "GET /role-arn/"+roleARN+"/jobs", absent, absentPage),
		pageTest("no ARN", "GET /role-arn/web", absent, absentPage),
		pageTest("below", "GET /creds/x", absent, absentPage),
		pageTest("proxy", "GET /creds\nVia: 1.1 x", denied, proxiesPage),
	})
}

func TestHandler_WithoutByPathKnowsNoSuchPaths(t *testing.T) {
	for _, path := range []string{"/creds", "/role/web", "/role-arn/" + roleARN} {
		t.Run(path, func(t *testing.T) {
			finder := &paths{}
			runRequests(t, always{&Service{Finder: finder}}, []requestTest{
				pageTest("GET", "GET "+path, absent, absentPage),
				pageTest("POST", "POST "+path, absent, absentPage),
			})
			if len(finder.asked) > 0 {
				t.Errorf("asked for %q", finder.asked)
			}
		})
	}
}

func TestHandler_AsksForAnARNWithoutTheNameOnlyIfItIsThereTwice(t *testing.T) {
	for _, tt := range []struct {
		arn  string
		want []string
	}{
		{roleARN, []string{"arn " + roleARN}},
		{roleARN + "/web", []string{"arn " + roleARN + "/web", "arn " + roleARN}},
		{"arn:aws:iam::123456789012:role/web", []string{"arn arn:aws:iam::123456789012:role/web"}},
		{"arn:x", []string{"arn arn:x"}},
		{"web", nil},
		{"arn:aws:iam::123456789012:role/web/web", []string{"arn arn:aws:iam::123456789012:role/web/web", "arn arn:aws:iam::123456789012:role/web"}},
	} {
		finder := &paths{}
		h := NewHandler(slog.New(slog.DiscardHandler), always{&Service{ByPath: true, Finder: finder}})
		h(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/role-arn/"+tt.arn, nil))
		if !slices.Equal(finder.asked, tt.want) {
			t.Errorf("%s: asked for %q, want %q", tt.arn, finder.asked, tt.want)
		}
	}
}

// anyARN finds a role by any ARN, and notes which.
type anyARN struct {
	paths
	asked []string
}

func (p *anyARN) ByARN(_ *http.Request, arn string) (CredentialSource, error) {
	p.asked = append(p.asked, arn)
	return valid(), nil
}

func TestHandler_TakesTheWholeARNFirst(t *testing.T) {
	const arn = "arn:aws:iam::123456789012:role/web/web"
	finder := &anyARN{}
	runRequests(t, always{&Service{ByPath: true, Finder: finder}}, []requestTest{jsonTest("", "GET /role-arn/"+arn, ok, document)})
	if !slices.Equal(finder.asked, []string{arn}) {
		t.Errorf("asked for %q", finder.asked)
	}
}

func TestHandler_ByPathSaysWhyThereIsNothing(t *testing.T) {
	const text = `{"code":"CredentialsUninitialized","message":"Credentials uninitialized","HTTPErrorCode":503}`
	for _, tt := range []struct {
		name string
		err  error
		want requestTest
	}{
		{"unknown client", errors.New("nothing runs there"), requestTest{"", "GET /creds", away, retryOf(text), text}},
		{"unknown client, decided", &web.Error{Status: 503}, requestTest{"", "GET /role/web", away, retryOf(text), text}},
		{"refused client", &web.Error{Status: 403}, pageTest("", "GET /creds", denied, "Forbidden\n")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			runRequests(t, always{&Service{ByPath: true, Finder: &paths{err: tt.err}}}, []requestTest{tt.want})
		})
	}
}

// reloaded selects a service that is stale, then another.
type reloaded struct{ services []*Service }

func (s *reloaded) Select(*http.Request) (*Service, error) {
	next := s.services[0]
	s.services = s.services[1:]
	return next, nil
}

func TestHandler_JudgesByTheNewServiceAfterAReload(t *testing.T) {
	stale := &Service{ByPath: true, Finder: &paths{err: ErrStale}}
	runRequests(t, &reloaded{[]*Service{stale, guarded(&paths{}).service}}, []requestTest{
		jsonTest("authorization", "GET /role/web", unauthorized, missing),
	})
	runRequests(t, &reloaded{[]*Service{stale, {Finder: &paths{}}}}, []requestTest{
		pageTest("by_path", "GET /role/web", absent, absentPage),
	})
}

func TestHandler_CountsARequestOnceThoughAReloadCame(t *testing.T) {
	limiter := NewLimiter(1, 1, newClock().now)
	stale := &Service{ByPath: true, Limiter: limiter, Finder: &paths{err: ErrStale}}
	runRequests(t, &reloaded{[]*Service{stale, {ByPath: true, Limiter: limiter, Finder: &paths{}}}}, []requestTest{
		jsonTest("allowed", "GET /creds", ok, document),
	})
}

// failing fails to select.
type failing struct{ err error }

func (s failing) Select(*http.Request) (*Service, error) { return nil, s.err }

func TestHandler_LetsTheSelectorFail(t *testing.T) {
	text := textOf(2, uninitialized)
	runRequests(t, failing{errors.New("no")}, []requestTest{{"", "GET /v2/credentials/" + id, away, retryOf(text), text}})
	runRequests(t, failing{&web.Error{Status: 403}}, []requestTest{pageTest("", "GET /v2/credentials/"+id, denied, "Forbidden\n")})
}

func TestHasID_IsTrueForAnEmptyID(t *testing.T) {
	for target, want := range map[string]bool{
		"/v1/credentials": false, "/v1/credentials?x=id": false, "/v1/credentials?ID=x": false,
		"/v1/credentials?id": true, "/v1/credentials?id=": true, "/v1/credentials?a=b&id=x": true,
	} {
		if got := HasID(httptest.NewRequest(http.MethodGet, target, nil)); got != want {
			t.Errorf("%s: %v", target, got)
		}
	}
}
