package ecs

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/caller"
)

// unknownV4 is the text for an endpoint id that is not known.
func unknownV4(id string) string {
	return "V4 container metadata handler: unable to get container ID from request: unable to get docker ID from v3 endpoint ID: " + id
}

// nameOf returns the name that a container's document has, or the text of the error.
func nameOf(m *Metadata, by Asker, id string) string {
	body := get(m, by, "/v4/"+id).Body.String()
	_, rest, found := strings.Cut(body, `"DockerName":"`)
	if !found {
		return strings.Trim(body, `"`)
	}
	name, _, _ := strings.Cut(rest, `"`)
	return name
}

func TestMetadata_AnswersADerivedEndpointToWhoeverAsks(t *testing.T) {
	m := newMetadata(sample(), nil)
	for _, by := range []Asker{container(idWeb), container(idEvil), container("unknown"), {}, local} {
		if got := nameOf(m, by, endpointOf(idLone)); got != "lone" {
			t.Errorf("%+v: got %s", by, got)
		}
	}
	for _, id := range []string{endpointOf(idJob), endpointOf("x"), ID([]byte(testKey), "web", idWeb), EndpointID([]byte("other"), idWeb), idWeb, ""} {
		if got := nameOf(m, local, id); got != unknownV4(id) {
			t.Errorf("%s: got %s", id, got)
		}
	}
}

func TestMetadata_AnswersADeclaredEndpointWithinItsTask(t *testing.T) {
	m := newMetadata(sample(), nil)
	for _, tt := range []struct {
		name string
		by   Asker
		id   string
		want string // "": unknown
	}{
		{"the container itself", container(idWeb), "web", "shop-web-1"},
		{"another of the task", container(idDB), "web", "shop-web-1"},
		{"this machine", local, "web", "shop-web-1"},
		{"a container alone", container(idLone), "word", "lone"},
		{"another task", container(idEvil), "web", ""},
		{"another task without a project", container(idEvil), "word", ""},
		{"no container", Asker{}, "web", ""},
		{"unknown container", container("x"), "web", ""},
		{"two have it: one asks", container(idDB), "db", "shop-db-1"},
		{"two have it: the other asks", container(idEvil), "db", "evil"},
		{"two have it, one of them in the task", container(idWeb), "db", "shop-db-1"},
		{"two have it: this machine", local, "db", ""},
		{"two have it: another task", container(idLone), "db", ""},
		{"a name", container(idWeb), "shop-db-1", ""},
		{"beginning", container(idWeb), "we", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			if want == "" {
				want = unknownV4(tt.id)
			}
			if got := nameOf(m, tt.by, tt.id); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestMetadata_HasNoEndpointWithoutAnID(t *testing.T) {
	e := sample()
	e.containers = append(e.containers, &caller.Container{ID: strings.Repeat("f", 64), Name: "silent", Status: "running"})
	m := newMetadata(e, nil)
	for _, by := range []Asker{container(strings.Repeat("f", 64)), local, {}} {
		if got := nameOf(m, by, ""); got != unknownV4("") {
			t.Errorf("%+v: got %s", by, got)
		}
	}
}

func TestMetadata_TakesTheAskersOwnEndpointBeforeFixedEntries(t *testing.T) {
	m := newMetadata(sample(), func(o *MetadataOptions) { o.Fixed = []Fixed{{ID: "web", Name: "fixed"}} })
	if got := nameOf(m, container(idWeb), "web"); got != "shop-web-1" {
		t.Errorf("the container itself: %s", got)
	}
	for _, by := range []Asker{container(idDB), local, {}} {
		if got := nameOf(m, by, "web"); !strings.HasPrefix(got, "ecs-shop-7-fixed-") {
			t.Errorf("%+v: %s", by, got)
		}
	}
}

func TestMetadata_TaskIsAComposeProject(t *testing.T) {
	m := newMetadata(sample(), nil)
	for _, tt := range []struct{ id, want string }{
		{endpointOf(idWeb), "web db job"},
		{endpointOf(idDB), "web db job"},
		{endpointOf(idLone), "lone"},
		{endpointOf(idEvil), "evil"},
	} {
		for _, version := range []string{"/v3/", "/v4/"} {
			if got := namesOf(get(m, Asker{}, version+tt.id+"/task")); got != tt.want {
				t.Errorf("%s%s: %s, want %s", version, tt.id, got, tt.want)
			}
		}
	}
}

func TestMetadata_FixedEntriesAreOneTaskAndThisMachineAnother(t *testing.T) {
	self := endpointOf("i-0123456789abcdef0")
	fixed := []Fixed{{ID: "one", Name: "app"}, {ID: "two", Name: "side", DockerID: "given"}}
	m := newMetadata(nil, func(o *MetadataOptions) { o.Fixed, o.Task.ARN = fixed, "" })
	for id, want := range map[string]string{"one": "app side", "two": "app side", self: "self"} {
		if got := namesOf(get(m, Asker{}, "/v4/"+id+"/task")); got != want {
			t.Errorf("%s: %s", id, got)
		}
	}
	if m.fixed[0].arn != m.fixed[1].arn || m.fixed[0].arn == m.fixed[2].arn {
		t.Errorf("ARNs of %v", m.fixed)
	}
	alone := newMetadata(sample(), func(o *MetadataOptions) { o.Self = Fixed{Image: "x"} })
	if got := namesOf(get(alone, local, "/v4/"+self+"/task")); got != "self" {
		t.Errorf("without fixed entries: %s", got)
	}
	if got := get(m, local, "/v4/three").Code; got != http.StatusNotFound {
		t.Errorf("unknown: status %d", got)
	}
}

func TestMetadata_DerivesAnARNForEachTask(t *testing.T) {
	arnOf := func(instance, id, suffix string) string {
		m := newMetadata(sample(), func(o *MetadataOptions) { o.Task.ARN, o.Task.InstanceID = "", instance })
		body := get(m, local, "/v4/"+id+suffix).Body.String()
		_, rest, _ := strings.Cut(body, `"com.amazonaws.ecs.task-arn":"`)
		arn, _, _ := strings.Cut(rest, `"`)
		const prefix = "arn:aws:ecs:us-east-1:123456789012:task/local/"
		if !strings.HasPrefix(arn, prefix) || len(arn) != len(prefix)+32 {
			t.Errorf("%s%s: ARN %q", id, suffix, arn)
		}
		return arn
	}
	const instance = "i-1"
	web := arnOf(instance, endpointOf(idWeb), "")
	for name, arn := range map[string]string{
		"task":      arnOf(instance, endpointOf(idWeb), "/task"),
		"again":     arnOf(instance, endpointOf(idWeb), ""),
		"other one": arnOf(instance, endpointOf(idDB), ""),
	} {
		if arn != web {
			t.Errorf("%s: %s, want %s", name, arn, web)
		}
	}
	for name, arn := range map[string]string{
		"another task":     arnOf(instance, endpointOf(idLone), ""),
		"this machine":     arnOf(instance, endpointOf(instance), ""),
		"another instance": arnOf("i-2", endpointOf(idWeb), ""),
	} {
		if arn == web {
			t.Errorf("%s has the same ARN", name)
		}
	}
}

func TestMetadata_ForgetsContainersThatAreRemoved(t *testing.T) {
	m := newMetadata(nil, func(o *MetadataOptions) { o.Engine = gone{sample()} })
	id := endpointOf(idLone)
	wantText(t, get(m, Asker{}, "/v4/"+id), http.StatusNotFound, unknownV4(id))
	wantText(t, get(m, Asker{}, "/v4/"+id+"/task"), http.StatusNotFound,
		"V4 task metadata handler: unable to get task arn from request: unable to get task Arn from v3 endpoint ID: "+id)
	wantText(t, get(m, container(idLone), "/v2/metadata"), http.StatusBadRequest,
		"Unable to generate metadata for task: 'arn:aws:ecs:us-east-1:123456789012:task/local/8f6b2c4d9e0a4f7b9c1d2e3f4a5b6c7d'")
}

func TestMetadata_RedactsItself(t *testing.T) {
	options := MetadataOptions{Secret: []byte(testKey)}
	m := NewMetadata(options)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		for _, v := range []any{m, *m, options, &options} {
			if got := fmt.Sprintf(verb, v); !strings.HasSuffix(got, "task metadata [redacted]") {
				t.Errorf("%s: %s", verb, got)
			}
		}
	}
}

// loose is an engine that finds its first container by any name.
type loose struct{ *engine }

func (e loose) Container(context.Context, string) (*caller.Container, error) {
	return e.containers[0], nil
}

func TestMetadata_AsksTheEngineForWholeIDsOnly(t *testing.T) {
	m := newMetadata(nil, func(o *MetadataOptions) { o.Engine = loose{sample()} })
	for _, id := range []string{"shop-web-1", idWeb[:63], idWeb + "a", strings.ToUpper(idWeb), strings.Repeat("/", 64)} {
		if rec := get(m, local, "/v2/metadata/"+id); rec.Code != http.StatusBadRequest {
			t.Errorf("%s: status %d", id, rec.Code)
		}
	}
}

// gone is an engine whose containers have been removed since Running.
type gone struct{ *engine }

func (gone) Container(context.Context, string) (*caller.Container, error) { return nil, nil }
