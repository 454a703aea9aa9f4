package ecs

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/web"
)

func TestMetadataHandler_AnswersUnknownIDsAsTheAgent(t *testing.T) {
	m := newMetadata(sample(), nil)
	const (
		docker = " handler: unable to get container ID from request: unable to get docker ID from v3 endpoint ID: "
		arn    = " handler: unable to get task arn from request: unable to get task Arn from v3 endpoint ID: "
	)
	for _, tt := range []struct {
		path   string
		status int
		text   string
	}{
		{"/v4/x", 404, "V4 container metadata" + docker + "x"},
		{"/v4/", 404, "V4 container metadata" + docker},
		{"/v4/<x>", 404, "V4 container metadata" + docker + "<x>"},
		{"//v4//x", 404, "V4 container metadata" + docker + "x"},
		{"/v4/x/task", 404, "V4 task metadata" + arn + "x"},
		{"/v4/x/taskWithTags", 404, "V4 task metadata" + arn + "x"},
		{"/v4/x/stats", 404, "V4 container stats" + arn + "x"},
		{"/v4/x/task/stats", 404, "V4 task stats" + arn + "x"},
		{"/v3/x", 500, "V3 container metadata" + docker + "x"},
		{"/v3/", 500, "V3 container metadata" + docker},
		{"/v3/x/task", 500, "V3 task metadata" + arn + "x"},
		{"/v3/x/taskWithTags", 500, "V3 task metadata" + arn + "x"},
		{"/v3/x/stats", 400, "V3 container stats" + arn + "x"},
		{"/v3/x/task/stats", 400, "V3 task stats" + arn + "x"},
	} {
		t.Run(tt.path, func(t *testing.T) { wantText(t, get(m, local, tt.path), tt.status, tt.text) })
	}
}

func TestMetadataHandler_AnswersOtherPathsWithAPage(t *testing.T) {
	m := newMetadata(sample(), nil)
	id := endpointOf(idWeb)
	for _, path := range []string{
		"/v4/" + id + "/", "/v3/" + id + "/", "/v4/" + id + "/task/", "/v3/" + id + "/stats/", "/v4", "/v3", "/v2", "/v2/", "/", "/v4/" + id + "/tasks",
		"/v4/" + id + "/Task", "/v4/" + id + "/associations/elastic-inference", "/v3/" + id + "/associations/x/y", "/v4/" + id + "/task/taskWithTags",
		"/api/" + id + "/task-protection/v1/state", "/api/" + id + "/fault/v1/network-latency/start", "/v2/splunk-token/x", "/v2/container-env/x",
		"/v2/metadataWithTags/" + idWeb, "/v2/credentials/" + id, "/v1/metadata", "/v5/" + id, "/latest/meta-data/",
	} {
		t.Run(path, func(t *testing.T) {
			rec := get(m, container(idWeb), path)
			if diff := cmp.Diff(pageOf(absentPage), rec.Header()); rec.Code != http.StatusNotFound || rec.Body.String() != absentPage || diff != "" {
				t.Errorf("status %d, %q (-want +got):\n%s", rec.Code, rec.Body, diff)
			}
		})
	}
}

func TestMetadataHandler_AllowsAnyMethod(t *testing.T) {
	m := newMetadata(sample(), nil)
	path := "/v4/" + endpointOf(idWeb) + "/task"
	want := get(m, local, path).Body.String()
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, "brew"} {
		r := httptest.NewRequest(method, path+"?x=y", nil)
		r.Header.Set("X-Forwarded-For", "x") // no credentials, so that proxies may ask
		rec := httptest.NewRecorder()
		NewMetadataHandler(slog.New(slog.DiscardHandler), &asked{metadata: m})(rec, r)
		wantJSON(t, rec, http.StatusOK, want)
	}
}

func TestMetadataHandler_VersionTwoIsForContainers(t *testing.T) {
	m := newMetadata(sample(), func(o *MetadataOptions) { o.Fixed = []Fixed{{ID: "one", Name: "app", DockerID: "fixed"}} })
	const noTask = "Unable to get task arn from request: unable to associate '172.17.0.5' with task"
	noContainer := func(id string) string { return "Unable to generate metadata for container '" + id + "'" }
	noStats := func(id string) string { return "Unable to get container stats for: " + id }
	for _, tt := range []struct {
		name string
		by   Asker
		path string
		text string // of the error; else 200
	}{
		{"task", container(idWeb), "/v2/metadata", ""},
		{"task, slash", container(idWeb), "/v2/metadata/", ""},
		{"task with tags", container(idWeb), "/v2/metadataWithTags", ""},
		{"task with tags, slash", container(idWeb), "/v2/metadataWithTags/", ""},
		{"no container", Asker{}, "/v2/metadata", noTask},
		{"this machine", local, "/v2/metadata", noTask},
		{"a container that is not running", container(idJob), "/v2/metadata/", noTask},
		{"stats of no container", Asker{}, "/v2/stats", noTask},
		{"container of no container", Asker{}, "/v2/metadata/" + idWeb, noTask},
		{"itself", container(idWeb), "/v2/metadata/" + idWeb, ""},
		{"one of its task", container(idWeb), "/v2/metadata/" + idJob, ""},
		{"one of another task", container(idWeb), "/v2/metadata/" + idLone, noContainer(idLone)},
		{"another task without a project", container(idEvil), "/v2/metadata/" + idLone, noContainer(idLone)},
		{"fixed, of a container", container(idWeb), "/v2/metadata/fixed", noContainer("fixed")},
		{"unknown", container(idWeb), "/v2/metadata/x/y", noContainer("x/y")},
		{"slash", container(idWeb), "/v2/metadata/" + idWeb + "/", noContainer(idWeb + "/")},
		{"endpoint id", container(idWeb), "/v2/metadata/" + endpointOf(idWeb), noContainer(endpointOf(idWeb))},
		{"any container for this machine", local, "/v2/metadata/" + idLone, ""},
		{"fixed, for this machine", local, "/v2/metadata/fixed", ""},
		{"unknown to this machine", local, "/v2/metadata/" + idWeb[:12], noContainer(idWeb[:12])},
		{"not there for this machine", local, "/v2/metadata/" + strings.Repeat("f", 64), noContainer(strings.Repeat("f", 64))},
		{"stats of itself", container(idWeb), "/v2/stats/" + idWeb, ""},
		{"stats of its task", container(idWeb), "/v2/stats/", ""},
		{"stats of another task", container(idWeb), "/v2/stats/" + idLone, noStats(idLone)},
		{"stats of one that has ended", container(idWeb), "/v2/stats/" + idJob, noStats(idJob)},
		{"stats for this machine", local, "/v2/stats/" + idDB, ""},
		{"stats of fixed", local, "/v2/stats/fixed", noStats("fixed")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := get(m, tt.by, tt.path)
			if tt.text != "" {
				wantText(t, rec, http.StatusBadRequest, tt.text)
			} else if rec.Code != http.StatusOK {
				t.Errorf("status %d, %s", rec.Code, rec.Body)
			}
		})
	}
	if got := namesOf(get(m, container(idDB), "/v2/metadata")); got != "web db job" {
		t.Errorf("the task has %s", got)
	}
}

func TestMetadataHandler_SaysThatTheEngineFails(t *testing.T) {
	const text = "the container engine did not tell about its containers; the log of mock-ec2-metadata says why"
	e := sample()
	e.err = errEngine
	m := newMetadata(e, nil)
	id := endpointOf(idWeb)
	for _, path := range []string{
		"/v4/" + id, "/v4/" + id + "/task", "/v4/" + id + "/task/stats", "/v4/" + id + "/stats", "/v3/" + id, "/v3/" + id + "/task",
		"/v2/metadata", "/v2/metadata/" + idWeb, "/v2/stats", "/v2/stats/" + idWeb,
	} {
		t.Run(path, func(t *testing.T) { wantText(t, get(m, container(idWeb), path), http.StatusInternalServerError, text) })
	}
	wantText(t, get(m, local, "/v2/metadata/"+idWeb), http.StatusInternalServerError, text)
}

func TestMetadataHandler_WaitsForTheEngineForALimitedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		e := sample()
		e.hangs = true
		h := NewMetadataHandler(slog.New(slog.NewTextHandler(&out, nil)), &asked{metadata: newMetadata(e, nil)})
		began := time.Now()
		rec := httptest.NewRecorder()
		h(rec, httptest.NewRequest(http.MethodGet, "/v4/"+endpointOf(idWeb)+"/task", nil))
		if took := time.Since(began); rec.Code != http.StatusInternalServerError || took != caller.Wait {
			t.Errorf("status %d after %v", rec.Code, took)
		}
		if got := out.String(); !strings.Contains(got, `level=WARN msg="container engine gave no task metadata" client=192.0.2.1:1234 error="context deadline exceeded"`) {
			t.Errorf("logged %s", got)
		}
	})
}

func TestMetadataHandler_LetsTheSelectorDecide(t *testing.T) {
	for _, tt := range []struct {
		name   string
		s      *asked
		status int
		header http.Header
		body   string
	}{
		{"no metadata", &asked{}, 404, pageOf(absentPage), absentPage},
		{"refused", &asked{err: &web.Error{Status: 403}}, 403, pageOf("Forbidden\n"), "Forbidden\n"},
		{"unknown", &asked{err: errors.New("nothing runs there")}, 503, retryOf(`"` + unknownClient + `"`), `"` + unknownClient + `"`},
		{"unknown, decided", &asked{err: fmt.Errorf("x: %w", &web.Error{Status: 503})}, 503, retryOf(`"` + unknownClient + `"`), `"` + unknownClient + `"`},
		{"panic", &asked{metadata: &Metadata{}, by: container("x")}, 500, jsonOf(`"Internal server error"`), `"Internal server error"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := "/v4/x"
			if tt.name == "panic" {
				tt.s.metadata.fixed = []fixedEntry{{}}
				tt.s.metadata.engine = (*engine)(nil)
			}
			rec := getBy(tt.s, path)
			if diff := cmp.Diff(tt.header, rec.Header()); rec.Code != tt.status || rec.Body.String() != tt.body || diff != "" {
				t.Errorf("status %d, %q, headers (-want +got):\n%s", rec.Code, rec.Body, diff)
			}
		})
	}
}

func TestMetadataHandler_LimitsTheRate(t *testing.T) {
	m := newMetadata(sample(), func(o *MetadataOptions) { o.Limiter = NewLimiter(40, 60, newClock().now) })
	for range 60 {
		if rec := get(m, container(idWeb), "/v2/metadata"); rec.Code != http.StatusOK {
			t.Fatalf("status %d", rec.Code)
		}
	}
	if rec := get(m, container(idWeb), "/v2/metadata/"); rec.Code != http.StatusTooManyRequests || rec.Body.String() != string(tooMany) {
		t.Errorf("request 61: status %d, %q", rec.Code, rec.Body)
	}
	if rec := get(m, container(idWeb), "/v2/stats"); rec.Code != http.StatusOK {
		t.Errorf("another path: status %d", rec.Code)
	}
}
