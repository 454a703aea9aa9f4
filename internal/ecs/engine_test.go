package ecs

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/caller"
)

// engine is a container engine. Its containers run unless their Status says otherwise.
type engine struct {
	containers []*caller.Container
	stats      map[string]*caller.Stats
	err        error // of all questions
	statsErr   error
	hangs      bool // until the context is done
}

func (e *engine) fail(ctx context.Context) error {
	if e.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return e.err
}

func (e *engine) Running() (all []caller.Running) {
	for _, c := range e.containers {
		if statusOf(c.Status) == running {
			all = append(all, caller.Running{ID: c.ID, Project: c.Project, Endpoint: c.Endpoint})
		}
	}
	return all
}

func (e *engine) Group(ctx context.Context, project string) (all []*caller.Container, err error) {
	for _, c := range e.containers {
		if c.Project == project {
			all = append(all, c)
		}
	}
	return all, e.fail(ctx)
}

func (e *engine) Container(ctx context.Context, id string) (*caller.Container, error) {
	for _, c := range e.containers {
		if c.ID == id {
			return c, e.fail(ctx)
		}
	}
	return nil, e.fail(ctx)
}

func (e *engine) Stats(ctx context.Context, id string) (*caller.Stats, error) {
	if e.statsErr != nil {
		return nil, e.statsErr
	}
	return e.stats[id], e.fail(ctx)
}

// asked is a selector of task metadata.
type asked struct {
	metadata *Metadata
	by       Asker
	err      error
}

func (s *asked) Select(*http.Request) (*Metadata, Asker, error) { return s.metadata, s.by, s.err }

// Ids of the engine's containers.
var (
	idWeb  = strings.Repeat("a", 64)
	idDB   = strings.Repeat("b", 64)
	idJob  = strings.Repeat("c", 64)
	idLone = strings.Repeat("d", 64)
	idEvil = strings.Repeat("e", 64)
)

const (
	epochText = "2026-01-02T03:04:05.000000006Z"
	testKey   = "secret"
)

func epoch() time.Time {
	return time.Date(2026, 1, 2, 5, 4, 5, 6, time.FixedZone("", 2*60*60))
}

// sample is a Compose project of two services and a job that has ended, a container of its own, and one that names the endpoint
// of another's.
func sample() *engine {
	zero, three := 0, 3
	return &engine{
		containers: []*caller.Container{
			{
				ID: idWeb, Name: "shop-web-1", Image: "shop/web:1", ImageID: "sha256:1", Project: "shop", Service: "web", Endpoint: "web",
				Labels: map[string]string{"a": "<b>"}, Status: "running", Created: epoch(), Started: epoch().Add(time.Second),
				Health: &caller.Health{Status: "healthy", Since: epoch(), Output: "ok"}, CPUShares: 256, Memory: 512 << 20,
				Ports:     []caller.Port{{ContainerPort: 80, HostPort: 32768, Protocol: "tcp", HostIP: "0.0.0.0"}, {ContainerPort: 81, Protocol: "udp"}},
				Volumes:   []caller.Volume{{Name: "data", Source: "/var/lib/v", Destination: "/data"}, {Source: "/x", Destination: "/y"}},
				LogDriver: "json-file", LogOptions: map[string]string{"max-size": "1m"}, RestartCount: &zero,
				Networks: []caller.Network{
					{
						Name: "back", Mode: "bridge", IPv4: []string{"172.20.0.2"}, IPv6: []string{"fd00::2"}, MAC: "02:42:ac:14:00:02",
						Gateway4: "172.20.0.1/16", Gateway6: "fd00::1/64", Subnet4: "172.20.0.0/16", Subnet6: "fd00::/64",
					},
					{Name: "front", Mode: "bridge", IPv4: []string{"172.21.0.2"}},
				},
			},
			{ID: idDB, Name: "shop-db-1", Image: "db", ImageID: "sha256:2", Project: "shop", Service: "db", Endpoint: "db", Status: "paused", CPUs: 1.5},
			{
				ID: idJob, Name: "shop-job-1", Image: "job", ImageID: "sha256:3", Project: "shop", Service: "job", Status: "exited", ExitCode: &three,
				Finished: epoch().Add(time.Minute),
			},
			{ID: idLone, Name: "lone", Image: "lone", ImageID: "sha256:4", Endpoint: "word", Status: "running"},
			{ID: idEvil, Name: "evil", Image: "evil", ImageID: "sha256:5", Endpoint: "db", Status: "running"},
		},
		stats: map[string]*caller.Stats{
			idWeb: {Docker: json.RawMessage("{\n \"read\": \"<now>\",\n \"num_procs\": 0}\n"), Rates: true, RxPerSecond: 1.5, TxPerSecond: 0},
			idDB:  {Docker: json.RawMessage(`{"read":"now"}`)},
		},
	}
}

// testTask is the part of the configuration.
func testTask() Task {
	return Task{
		Cluster: "local", Family: "shop", Revision: "7", LaunchType: "EC2", ServiceName: "svc",
		ARN:  "arn:aws:ecs:us-east-1:123456789012:task/local/8f6b2c4d9e0a4f7b9c1d2e3f4a5b6c7d",
		Tags: map[string]string{"team": "red"}, InstanceTags: map[string]string{"Name": "host"},
		InstanceID: "i-0123456789abcdef0", Partition: "aws", Region: "us-east-1", AccountID: "123456789012",
		AvailabilityZone: "us-east-1a", AvailabilityZoneID: "use1-az4", VPCID: "vpc-0a1b2c3d4e5f60718",
		Network: caller.Network{IPv4: []string{"10.0.0.5"}, MAC: "02:00:00:00:00:01", Subnet4: "10.0.0.0/24", Gateway4: "10.0.0.1/24"},
	}
}

// newMetadata makes the Metadata of an engine, which may be nil.
func newMetadata(e *engine, edit func(*MetadataOptions)) *Metadata {
	o := MetadataOptions{Task: testTask(), Secret: []byte(testKey)}
	if e != nil {
		o.Engine = e
	}
	if edit != nil {
		edit(&o)
	}
	return NewMetadata(o)
}

func endpointOf(container string) string { return EndpointID([]byte(testKey), container) }

// container and local are who asks.
func container(id string) Asker { return Asker{Container: id} }

var local = Asker{Local: true}

// get asks for task metadata.
func get(m *Metadata, by Asker, path string) *httptest.ResponseRecorder {
	return getBy(&asked{metadata: m, by: by}, path)
}

func getBy(s MetadataSelector, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.RemoteAddr = "172.17.0.5:40000"
	rec := httptest.NewRecorder()
	rec.Header().Set("Server", "EC2ws")
	NewMetadataHandler(slog.New(slog.DiscardHandler), s)(rec, r)
	return rec
}

// wantJSON compares a whole answer.
func wantJSON(t *testing.T, rec *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	if rec.Code != status {
		t.Errorf("status %d, want %d", rec.Code, status)
	}
	if diff := cmp.Diff(body, rec.Body.String()); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(jsonOf(body), rec.Header()); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

// wantText compares the status and the text of an error, a JSON string.
func wantText(t *testing.T, rec *httptest.ResponseRecorder, status int, text string) {
	t.Helper()
	b, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	wantJSON(t, rec, status, string(b))
}

// namesOf returns the names of the containers of a task, or its error.
func namesOf(rec *httptest.ResponseRecorder) string {
	var task struct{ Containers []struct{ Name string } }
	if err := json.Unmarshal(rec.Body.Bytes(), &task); err != nil {
		return rec.Body.String()
	}
	var names []string
	for _, c := range task.Containers {
		names = append(names, c.Name)
	}
	return strings.Join(names, " ")
}

var errEngine = errors.New("connection refused")
