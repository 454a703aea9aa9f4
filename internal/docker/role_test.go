package docker

import (
	"strings"
	"testing"
)

func TestChooseRole_FirstThatIsNotEmpty(t *testing.T) {
	sources, err := parseRoleSources([]string{"label:a", "env:E", "label:b"})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", maxRole)
	for _, tt := range []struct {
		name         string
		labels       map[string]string
		env          []string
		role, source string
	}{
		{name: "none"},
		{name: "label", labels: map[string]string{"a": "1", "b": "2"}, env: []string{"E=3"}, role: "1", source: "label a"},
		{name: "empty label", labels: map[string]string{"a": "", "b": "2"}, env: []string{"E=3"}, role: "3", source: "variable E"},
		{name: "empty variable", labels: map[string]string{"b": "2"}, env: []string{"E="}, role: "2", source: "label b"},
		{name: "other variables", env: []string{"EE=1", "E", "", "e=2", "=E"}},
		{name: "last of two variables", env: []string{"E=1", "E=2=3"}, role: "2=3", source: "variable E"},
		{name: "ARN", labels: map[string]string{"a": "arn:aws:iam::123456789012:role/x"}, role: "arn:aws:iam::123456789012:role/x", source: "label a"},
		{name: "control characters", labels: map[string]string{"a": "web\n", "b": "2"}, role: `"web\n"`, source: "label a"},
		{name: "longest", labels: map[string]string{"a": long}, role: long, source: "label a"},
		{name: "too long", labels: map[string]string{"a": long + "x"}, role: `"` + long[:maxQuoted] + `…"`, source: "label a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if role, source := chooseRole(sources, tt.labels, tt.env); role != tt.role || source != tt.source {
				t.Errorf("role %q of %q, want %q of %q", role, source, tt.role, tt.source)
			}
		})
	}
}

func TestNew_WrongOptionsNameTheFix(t *testing.T) {
	for _, tt := range []struct{ engine, role, want string }{
		{"tcp://127.0.0.1:2375", "", `engine: "tcp://127.0.0.1:2375" is not the URL of a Unix socket; write unix:///var/run/docker.sock`},
		{"unix://docker.sock", "", `engine: "unix://docker.sock" is not the URL of a Unix socket; write unix:///var/run/docker.sock`},
		{"", "", `engine: "" is not the URL of a Unix socket; write unix:///var/run/docker.sock`},
		{"unix:///s", "web", `role: "web" names neither a label nor a variable; write label:NAME or env:NAME`},
		{"unix:///s", "env:", `role: "env:" names neither a label nor a variable; write label:NAME or env:NAME`},
		{"unix:///s", "tag:x", `role: "tag:x" names neither a label nor a variable; write label:NAME or env:NAME`},
	} {
		o := Options{Engine: tt.engine}
		if tt.role != "" {
			o.Role = []string{tt.role}
		}
		if _, err := New(o); err == nil || err.Error() != tt.want {
			t.Errorf("%+v: error is %v\nwant %s", o, err, tt.want)
		}
	}
}
