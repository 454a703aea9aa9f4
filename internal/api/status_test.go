package api

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestStatus_ForClientsHidesAccountsPathsAndErrors fills every field, so that a new one is noticed.
func TestStatus_ForClientsHidesAccountsPathsAndErrors(t *testing.T) {
	var s Status
	fill(reflect.ValueOf(&s).Elem(), "status")
	full, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"ARN", "LastError", "Serial", "Socket", "File", "Warnings", "IdentityError", "Refused", "Control", "Simulation"} {
		if !strings.Contains(string(full), "."+field) {
			t.Errorf("the whole status has no %s: %s", field, full)
		}
	}
	got, err := json.Marshal(s.ForClients())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"status":"status.Status","version":"status.Version","started_at":"0001-01-01T00:00:00Z","uptime_seconds":1,` +
		`"instance_id":"status.InstanceID","role":"status.Role","credentials":{"source":"status.Credentials.Source","state":"status.Credentials.State",` +
		`"expiration":"0001-01-01T00:00:00Z","note":"the daemon tells more to its own machine (docker exec mock-ec2-metadata /mock-ec2-metadata healthcheck)"},` +
		`"simulation":true}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// fill sets each text to its path, and every other value to something.
func fill(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(path)
	case reflect.Int64:
		v.SetInt(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), path)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf(path), reflect.ValueOf(int64(1)))
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && v.Type() != reflect.TypeFor[time.Time]() {
				fill(v.Field(i), path+"."+f.Name)
			}
		}
	}
}

func TestStatus_ProblemsSayWhyItIsDegraded(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status Status
		want   []string
	}{
		{name: "ok", status: Status{Status: StatusOK}},
		{
			name: "only pending", status: Status{Status: StatusDegraded, Credentials: Credentials{State: StatePending}},
			want: []string{"the credentials are pending"},
		},
		{
			name:   "a note, as for other machines",
			status: Status{Status: StatusDegraded, Credentials: Credentials{State: StateFailed, Note: "more elsewhere"}},
			want:   []string{"the credentials are failed", "more elsewhere"},
		},
		{
			name: "errors",
			status: Status{
				Status: StatusDegraded, Config: Config{Error: "c"}, Credentials: Credentials{State: StateFailed, LastError: "l", Note: "n"},
				IdentityError: "i",
			},
			want: []string{"c", "l", "i"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.status.Problems(); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDescribe_LeavesOutWhatIsUnknown(t *testing.T) {
	for _, tt := range []struct{ role, file, want string }{
		{"app", "conf/config.yaml", "i-1 with role app (conf/config.yaml)"},
		{"", "conf/config.yaml", "i-1 without a role (conf/config.yaml)"},
		{"app", "", "i-1 with role app"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			s := Status{InstanceID: "i-1", Role: tt.role, Config: Config{File: tt.file}}
			if got := s.Serves(); got != tt.want {
				t.Errorf("got %s", got)
			}
		})
	}
}
