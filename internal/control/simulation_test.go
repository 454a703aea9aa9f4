package control

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/api"
)

// step is a request and its answer.
type step struct {
	method, path, body string
	status             int
	want               string // the answer contains it
}

func TestSimulation_AnswersByStatus(t *testing.T) {
	for _, kind := range []string{"event", "fault"} {
		list := "/v1/" + kind + "s"
		t.Run(kind, func(t *testing.T) {
			d := &fakeDaemon{}
			for _, s := range []step{
				{http.MethodGet, list, "", 200, `{"` + kind + `s":[]}`},
				{http.MethodGet, list + "/a", "", 404, `{"error":"there is no ` + kind + ` a"}`},
				{http.MethodPut, list + "/a", `{"x":1}`, 201, `"id":"a"`},
				{http.MethodPut, list + "/a", `{"x":1}`, 200, `"id":"a"`},
				{http.MethodPut, list + "/a", `{"x":2}`, 409, `{"error":"a is there already, and differs"}`},
				{http.MethodPut, list + "/a", `{"x":1}`, 200, `"id":"a"`},
				{http.MethodGet, list + "/a", "", 200, `{"x":1}`},
				{http.MethodPut, list + "/b", `{"bad":1}`, 422, `{"error":"bad: unknown key","field":"bad"}`},
				{http.MethodPut, list + "/b", `{"bad":1`, 422, `{"error":"the body is no JSON object"}`},
				{http.MethodGet, list + "/b", "", 404, "there is no"},
				{http.MethodPut, list + "/c", `{"id":"c"}`, 201, `"id":"c"`},
				{http.MethodPost, list, `{"x":1}`, 201, `"id":"made-up-2"`},
				{http.MethodPost, list, `{"id":"own","x":1}`, 201, `"id":"own"`},
				{http.MethodPost, list, `{"id":"own","x":1}`, 200, `"id":"own"`},
				{http.MethodPost, list, `{"id":"own","x":2}`, 409, `"error"`},
				{http.MethodDelete, list + "/a", "", 204, ""},
				{http.MethodDelete, list + "/a", "", 204, ""},
				{http.MethodGet, list + "/a", "", 404, "there is no"},
				{http.MethodDelete, list, "", 204, ""},
				{http.MethodDelete, list, "", 204, ""},
				{http.MethodGet, list, "", 200, `{"` + kind + `s":[]}`},
			} {
				kind := ""
				if s.body != "" {
					kind = jsonType
				}
				rec := ask(d, s.method, s.path, kind, s.body)
				if got := compact(rec.Body.Bytes()); rec.Code != s.status || !strings.Contains(got, s.want) || s.want == "" && got != "" {
					t.Errorf("%s %s %s: %d %s\nwant %d %s", s.method, s.path, s.body, rec.Code, got, s.status, s.want)
				}
			}
		})
	}
}

// compact is a JSON document without its spaces.
func compact(b []byte) string {
	var document any
	if json.Unmarshal(b, &document) != nil {
		return string(b)
	}
	text, _ := json.Marshal(document)
	return string(text)
}

func TestSimulation_RefusesBeforeItAsksTheDaemon(t *testing.T) {
	const notID = ` is not an id; write 1 to 64 letters, digits, dots, hyphens and underscores`
	long := strings.Repeat("x", 65)
	for _, tt := range []struct {
		name, method, path string
		contentType        string // JSON if empty
		body               string
		status             int
		want, field, allow string
	}{
		{name: "dot", method: http.MethodPut, path: "/v1/events/.", body: "{}", status: 422, want: `id: "."` + notID, field: "id"},
		{name: "dots", method: http.MethodGet, path: "/v1/faults/..", status: 422, want: `id: ".."` + notID, field: "id"},
		{name: "escaped dots", method: http.MethodDelete, path: "/v1/faults/%2e%2E", status: 422, want: `id: ".."` + notID, field: "id"},
		{name: "escaped slash", method: http.MethodPut, path: "/v1/events/a%2Fb", body: "{}", status: 422, want: `id: "a/b"` + notID, field: "id"},
		{name: "escaped twice", method: http.MethodPut, path: "/v1/events/a%252Fb", body: "{}", status: 422, want: `id: "a%2Fb"` + notID, field: "id"},
		{name: "escaped letter twice", method: http.MethodGet, path: "/v1/events/%2541", status: 422, want: `id: "%41"` + notID, field: "id"},
		{name: "escaped zero", method: http.MethodGet, path: "/v1/events/a%00", status: 422, want: `id: "a\x00"` + notID, field: "id"},
		{name: "not ASCII", method: http.MethodGet, path: "/v1/events/%C3%A9", status: 422, want: `id: "é"` + notID, field: "id"},
		{name: "space", method: http.MethodGet, path: "/v1/events/a%20b", status: 422, want: `id: "a b"` + notID, field: "id"},
		{name: "long", method: http.MethodGet, path: "/v1/events/" + long, status: 422, want: `id: "` + long[:64] + `"...` + notID, field: "id"},
		{name: "verb of no id", method: http.MethodPost, path: "/v1/events/a~", body: "{}", status: 422, want: `id: "a~"` + notID, field: "id"},
		{name: "wait for no id", method: http.MethodGet, path: "/v1/events/a%2F../wait", status: 422, want: `id: "a/.."` + notID, field: "id"},
		{name: "another id", method: http.MethodPut, path: "/v1/events/a", body: `{"id": "b"}`, status: 422, want: `id: "b" is not the id in the path, "a"; leave it out`, field: "id"},
		{name: "another id, escaped", method: http.MethodPut, path: "/v1/events/a", body: `{"x": {"id": "a"}, "\u0069d": "b"}`, status: 422, want: `id: "b" is not the id in the path, "a"; leave it out`, field: "id"},
		{name: "an empty id", method: http.MethodPut, path: "/v1/events/a", body: `{"id": ""}`, status: 422, want: `id: "" is not the id in the path, "a"; leave it out`, field: "id"},
		{name: "wrong id in the body", method: http.MethodPost, path: "/v1/events", body: `{"id": "../x"}`, status: 422, want: `id: "../x"` + notID, field: "id"},
		{name: "text", method: http.MethodPut, path: "/v1/events/a", contentType: "text/plain", body: "{}", status: 415, want: "send Content-Type: application/json"},
		{name: "form", method: http.MethodPost, path: "/v1/faults", contentType: "application/x-www-form-urlencoded", body: "{}", status: 415, want: "send Content-Type: application/json"},
		{name: "text of a verb", method: http.MethodPost, path: "/v1/events/a", contentType: "text/plain", body: "{}", status: 415, want: "send Content-Type: application/json"},
		{name: "text of a DELETE", method: http.MethodDelete, path: "/v1/events/a", contentType: "text/plain", body: "{}", status: 415, want: "send Content-Type: application/json"},
		{name: "no body, no type", method: http.MethodPut, path: "/v1/events/a", contentType: "-", status: 415, want: "send Content-Type: application/json"},
		{name: "large", method: http.MethodPut, path: "/v1/events/a", body: `{"x":"` + strings.Repeat("y", 64<<10) + `"}`, status: 413, want: "the body has more than 64 KiB"},
		{name: "unknown parameter", method: http.MethodGet, path: "/v1/requests?since=1", status: 422, want: `"since": unknown parameter; allowed: after, path, timeout`, field: "since"},
		{name: "parameter of a call without", method: http.MethodPut, path: "/v1/events/a?x", body: "{}", status: 422, want: `"x": unknown parameter; this call has none`, field: "x"},
		{name: "parameter twice", method: http.MethodGet, path: "/v1/state?after=1&after=2", status: 422, want: "after: given more than once", field: "after"},
		{name: "malformed query", method: http.MethodGet, path: "/v1/state?after=%zz", status: 422, want: `the query is malformed: invalid URL escape "%zz"`},
		{name: "number", method: http.MethodGet, path: "/v1/requests?after=x", status: 422, want: `after: "x" is not a number from 0 on`, field: "after"},
		{name: "negative", method: http.MethodGet, path: "/v1/state?after=-1", status: 422, want: `after: "-1" is not a number from 0 on`, field: "after"},
		{name: "timeout without a unit", method: http.MethodGet, path: "/v1/events/a/wait?timeout=5", status: 422, want: `timeout: "5" is not a duration from 0s to 10m; write e.g. 30s`, field: "timeout"},
		{name: "long timeout", method: http.MethodGet, path: "/v1/requests?timeout=10m1ns", status: 422, want: `timeout: "10m1ns" is not a duration from 0s to 10m; write e.g. 30s`, field: "timeout"},
		{name: "negative timeout", method: http.MethodGet, path: "/v1/state?after=1&timeout=-1s", status: 422, want: `timeout: "-1s" is not a duration from 0s to 10m; write e.g. 30s`, field: "timeout"},
		{name: "PUT of a list", method: http.MethodPut, path: "/v1/events", body: "{}", status: 405, want: "Method Not Allowed", allow: "DELETE, GET, POST"},
		{name: "POST of a fault", method: http.MethodPost, path: "/v1/faults/a", body: "{}", status: 405, want: "Method Not Allowed", allow: "DELETE, GET, PUT"},
		{name: "DELETE of the state", method: http.MethodDelete, path: "/v1/state", status: 405, want: "Method Not Allowed", allow: "GET"},
		{name: "unknown method", method: "FOO", path: "/v1/state", status: 405, want: "Method Not Allowed"},
		{name: "wait for a fault", method: http.MethodGet, path: "/v1/faults/a/wait", status: 404, want: "Not Found"},
		{name: "slash at the end", method: http.MethodDelete, path: "/v1/events/", status: 404, want: "Not Found"},
		{name: "empty segment", method: http.MethodDelete, path: "/v1//events", status: 404, want: "Not Found"},
		{name: "dots in the path", method: http.MethodDelete, path: "/v1/faults/../events", status: 404, want: "Not Found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &fakeDaemon{}
			contentType := tt.contentType
			switch {
			case contentType == "-":
				contentType = ""
			case contentType == "" && tt.body != "":
				contentType = jsonType
			}
			rec := ask(d, tt.method, tt.path, contentType, tt.body)
			var got api.Refusal
			err := json.Unmarshal(rec.Body.Bytes(), &got)
			if err != nil || rec.Code != tt.status || got.Text != tt.want || got.Field != tt.field || rec.Header().Get("Allow") != tt.allow {
				t.Errorf("%d %s %q, allow %q, %v\nwant %d %s %q, allow %q", rec.Code, got.Text, got.Field, rec.Header().Get("Allow"), err, tt.status, tt.want, tt.field, tt.allow)
			}
			if len(d.calls) > 0 {
				t.Errorf("the daemon was asked to %q", d.calls)
			}
		})
	}
}

// TestSimulation_EscapesAreResolved has an id that needs none.
func TestSimulation_EscapesAreResolved(t *testing.T) {
	d := &fakeDaemon{}
	if rec := ask(d, http.MethodPut, "/v1/events/%61%2Dx", jsonType, `{"id": "a-x"}`); rec.Code != http.StatusCreated {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if _, err := d.Event("a-x"); err != nil {
		t.Error(err)
	}
}

func TestSimulation_PassesOnPatternsAndNumbers(t *testing.T) {
	d := &fakeDaemon{}
	for _, path := range []string{
		"/v1/requests", "/v1/requests?after=41", "/v1/requests?after=0&path=" + url.QueryEscape("meta-data/iam/**"), "/v1/requests?timeout=0s",
		"/v1/requests?path=x&timeout=1ns", "/v1/state", "/v1/state?timeout=1s",
	} {
		if rec := ask(d, http.MethodGet, path, "", ""); rec.Code != http.StatusOK {
			t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
		}
	}
	want := []string{
		`requests after 0, path "", wait false`, `requests after 41, path "", wait false`, `requests after 0, path "meta-data/iam/**", wait false`,
		`requests after 0, path "", wait false`, `requests after 0, path "x", wait true`, "state after -1", "state after -1",
	}
	if !slices.Equal(d.calls, want) {
		t.Errorf("got  %q\nwant %q", d.calls, want)
	}
}

// TestSimulation_ListsAreNeverNull has a simulator that returns nil.
func TestSimulation_ListsAreNeverNull(t *testing.T) {
	for path, want := range map[string]string{
		"/v1/events": `{"events":[]}`, "/v1/faults": `{"faults":[]}`, "/v1/requests": `{"requests":[]}`, "/v1/requests?timeout=1ns": `{"requests":[]}`,
		"/v1/state": `{"events":[],"faults":[],"generation":0,"metadata_options":{"http_endpoint":"enabled","http_put_response_hop_limit":64,` +
			`"http_tokens":"optional","instance_metadata_tags":"enabled"}}`,
	} {
		rec := ask(&fakeDaemon{}, http.MethodGet, path, "", "")
		if got := compact(rec.Body.Bytes()); rec.Code != http.StatusOK || got != want {
			t.Errorf("%s: %d %s, want %s", path, rec.Code, got, want)
		}
	}
}

func TestSimulation_OtherErrorsAre500WithoutTheirText(t *testing.T) {
	for _, err := range []error{errors.New("secret of the daemon"), &api.Refusal{Text: "secret without a status"}, &api.Refusal{Status: 200, Text: "secret success"}} {
		d := &fakeDaemon{}
		d.err = err
		for _, s := range []step{
			{method: http.MethodGet, path: "/v1/events/a"},
			{method: http.MethodPut, path: "/v1/events/a", body: "{}"},
			{method: http.MethodPost, path: "/v1/events/a", body: "{}"},
			{method: http.MethodDelete, path: "/v1/faults"},
			{method: http.MethodGet, path: "/v1/events/a/wait"},
			{method: http.MethodGet, path: "/v1/requests"},
		} {
			rec := ask(d, s.method, s.path, jsonType, s.body)
			if rec.Code != http.StatusInternalServerError || strings.Contains(rec.Body.String(), "secret") {
				t.Errorf("%s %s: %d %s", s.method, s.path, rec.Code, rec.Body)
			}
		}
	}
}

// TestSimulation_DocumentsHaveTheKeysOfTheAPI compares whole documents.
func TestSimulation_DocumentsHaveTheKeysOfTheAPI(t *testing.T) {
	at := made.Add(2 * time.Minute)
	d := &fakeDaemon{}
	d.events = []api.Event{{
		ID: "s1", Kind: "spot", Spec: json.RawMessage(`{"spot":"terminate","notice":"2m"}`), Phase: "noticed", CreatedAt: made, ActivatesAt: &made,
		PhaseSince: made, NextPhase: "acted", NextPhaseAt: &at, Clients: []string{"127.0.0.2"}, Warnings: []string{"odd"},
	}, {ID: "w", Kind: "asg", Spec: json.RawMessage(`{"asg":"gone"}`), Phase: "pending", CreatedAt: made, PhaseSince: made}, {
		ID: "f1", Kind: "asg", Spec: json.RawMessage(`{"asg":"gone","first_clients":1}`), Phase: "active", CreatedAt: made, ActivatesAt: &made, PhaseSince: made,
		Clients: []string{},
	}}
	d.faults = []api.Fault{{
		ID: "f", Match: json.RawMessage(`{"paths":["meta-data/iam/**"]}`), Dose: json.RawMessage(`{"count":2}`), Effect: json.RawMessage(`{"status":503}`),
		Hits: 2, CreatedAt: made,
	}}
	d.requests = []api.Request{{
		Seq: 41, Time: made.Add(123 * time.Millisecond), Client: "172.17.0.2", Method: "GET", Path: "/latest/meta-data/mac", IMDS: "v2", Status: 503,
		DurationMS: 0.2, Role: "app-role", Fault: "f",
	}}
	for path, want := range map[string]string{
		"/v1/events": `{"events": [{"id": "s1", "kind": "spot", "spec": {"spot": "terminate", "notice": "2m"}, "phase": "noticed", "created_at": "2026-11-29T12:00:00Z",
			"activates_at": "2026-11-29T12:00:00Z", "phase_since": "2026-11-29T12:00:00Z", "next_phase": "acted", "next_phase_at": "2026-11-29T12:02:00Z",
			"clients": ["127.0.0.2"], "hits": 0, "warnings": ["odd"]},
			{"id": "w", "kind": "asg", "spec": {"asg": "gone"}, "phase": "pending", "created_at": "2026-11-29T12:00:00Z", "activates_at": null,
			"phase_since": "2026-11-29T12:00:00Z", "hits": 0},
			{"id": "f1", "kind": "asg", "spec": {"asg": "gone", "first_clients": 1}, "phase": "active", "created_at": "2026-11-29T12:00:00Z",
			"activates_at": "2026-11-29T12:00:00Z", "phase_since": "2026-11-29T12:00:00Z", "clients": [], "hits": 0}]}`,
		"/v1/faults": `{"faults": [{"id": "f", "match": {"paths": ["meta-data/iam/**"]}, "dose": {"count": 2}, "effect": {"status": 503}, "hits": 2,
			"created_at": "2026-11-29T12:00:00Z", "expires_at": null}]}`,
		"/v1/requests": `{"requests": [{"seq": 41, "time": "2026-11-29T12:00:00.123Z", "client": "172.17.0.2", "method": "GET", "path": "/latest/meta-data/mac",
			"imds": "v2", "status": 503, "bytes": 0, "duration_ms": 0.2, "identity": "", "role": "app-role", "fault": "f"}]}`,
	} {
		if got := ask(d, http.MethodGet, path, "", "").Body.Bytes(); compact(got) != compact([]byte(want)) {
			t.Errorf("%s: %s\nwant %s", path, compact(got), compact([]byte(want)))
		}
	}
}
