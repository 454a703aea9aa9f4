package docker

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/caller"
)

var testRoles = []roleSource{{name: "role"}, {env: true, name: "IAM_ROLE"}}

func decode(t *testing.T, document string) *container {
	t.Helper()
	var d wireInspect
	if err := json.Unmarshal([]byte(document), &d); err != nil {
		t.Fatal(err)
	}
	return d.container(testRoles)
}

func TestInspect_ShapesOfEngines(t *testing.T) {
	for _, tt := range []struct {
		name, document string
		want           []string
		workload       caller.Workload
	}{
		{
			name: "Docker with nothing set",
			document: `{"Id":"0123456789abcdef","Name":"/web","State":{"Running":true},"Config":{"Env":null,"Labels":null},
				"HostConfig":{"NetworkMode":"default"},"NetworkSettings":{"IPAddress":"172.17.0.2","GlobalIPv6Address":"","MacAddress":"",
				"Networks":{"bridge":{"IPAMConfig":null,"NetworkID":"b6","IPAddress":"172.17.0.2","MacAddress":"02:42:ac:11:00:02"}}}}`,
			want:     []string{"172.17.0.2"},
			workload: caller.Workload{Name: "container web", ID: "0123456789abcdef"},
		},
		{
			name: "old Podman, whose default network has no entry",
			document: `{"Id":"0123456789abcdef","Name":"web","State":{"Running":true,"Paused":true},"Config":{"Env":["IAM_ROLE=x"]},
				"NetworkSettings":{"IPAddress":"10.88.0.4","Networks":null}}`,
			want:     []string{"10.88.0.4"},
			workload: caller.Workload{Name: "container web", ID: "0123456789abcdef", Role: "x", Source: "variable IAM_ROLE"},
		},
		{
			name: "addresses with lengths, link-local and useless ones",
			document: `{"Id":"0123456789abcdef","State":{"Running":true},"NetworkSettings":{"Networks":{"a":{"IPAddress":"10.1.0.4/16",
				"GlobalIPv6Address":"::ffff:10.1.0.5","MacAddress":"zz","IPAMConfig":{"LinkLocalIPs":["169.254.170.23","x","0.0.0.0","127.0.0.1"]}},"b":null}}}`,
			want:     []string{"10.1.0.4", "10.1.0.5", "169.254.170.23"},
			workload: caller.Workload{Name: "container 0123456789ab", ID: "0123456789abcdef"},
		},
		{
			name:     "nothing but that it runs",
			document: `{"Id":"01","State":{"Paused":true}}`,
			workload: caller.Workload{Name: "container 01", ID: "01"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := decode(t, tt.document)
			if c == nil {
				t.Fatal("it does not run")
			}
			var got []string
			for _, a := range addresses(c.endpoints) {
				got = append(got, a.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.workload, *c.workload); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestInspect_ContainerThatDoesNotRunIsNone(t *testing.T) {
	for _, document := range []string{
		`{}`, `{"Id":"a"}`, `{"Id":"a","State":{}}`, `{"Id":"a","State":{"Running":false}}`, `{"Id":"a","State":{"Running":true,"Restarting":true}}`,
	} {
		if c := decode(t, document); c != nil {
			t.Errorf("%s runs", document)
		}
	}
}

func TestNetworks_AreReadLeniently(t *testing.T) {
	var list []wireNetwork
	// Docker 20 to 26 write such a gateway for a network whose subnet they chose themselves.
	const text = `[{"IPAM":{"Config":[{"Subnet":"172.30.0.0/24","Gateway":"172.30.0.1"},{"Subnet":"fd05:d0ca::/112","Gateway":"fd05:d0ca::1/112"}]}},
		{"IPAM":{"Config":[{"Subnet":"nonsense"},{}]}},{"IPAM":{"Config":null}},{"IPAM":null},{}]`
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	v := view{networks: parseNetworks(list)}
	for _, tt := range []struct {
		address string
		want    bool
	}{
		{"172.30.0.2", true},
		{"172.30.0.1", false},
		{"172.30.1.2", false},
		{"fd05:d0ca::2", true},
		{"fd05:d0ca::1", false},
		{"fe80::1", true},
	} {
		if got := v.expects(netip.MustParseAddr(tt.address)); got != tt.want {
			t.Errorf("%s is expected: %t, want %t", tt.address, got, tt.want)
		}
	}
}

func TestBudget_EndsADocumentThatIsTooLong(t *testing.T) {
	body := &budget{r: strings.NewReader(`["` + strings.Repeat("x", 1000) + `"]`), left: 500}
	var list []string
	if err := json.NewDecoder(body).Decode(&list); !errors.Is(err, errTooLong) {
		t.Errorf("the error is %v", err)
	}
}

// FuzzInspect checks that no document gives a workload that cannot be logged or that holds more than its role.
func FuzzInspect(f *testing.F) {
	f.Add(`{"Id":"a","Name":"/web","State":{"Running":true,"StartedAt":"2026-01-02T03:04:05Z"},"Config":{"Labels":{"role":"web"},"Env":["IAM_ROLE=x","A"]},"NetworkSettings":{"IPAddress":"10.0.0.1","Networks":{"n":{"NetworkID":"n","IPAddress":"10.0.0.1","GlobalIPv6Address":"fd00::1","MacAddress":"02:42:ac:12:00:02"}}}}`)
	f.Add(`{"Id":"a","Name":"\n","State":{"Paused":true},"Config":{"Labels":{"role":"a\u0000b"}}}`)
	f.Fuzz(func(t *testing.T, document string) {
		var d wireInspect
		if json.Unmarshal([]byte(document), &d) != nil {
			return
		}
		c := d.container(testRoles)
		if c == nil {
			return
		}
		for _, text := range []string{c.workload.Name, c.workload.Role} {
			if strings.ContainsAny(text, "\n\r\x00\x1b\u202e") || len(text) > maxRole+100 {
				t.Errorf("workload %q", text)
			}
		}
		w := newWorld()
		w.set(c.id, c, 0)
		v := w.view()
		for _, a := range addresses(c.endpoints) {
			if v.find(a) != c.workload || a.Is4In6() || a.Zone() != "" {
				t.Errorf("address %v", a)
			}
		}
	})
}

// FuzzEvent checks that an event names a container exactly if it is about one.
func FuzzEvent(f *testing.F) {
	for _, event := range []string{containerEvent("die", "a"), networkEvent("connect", "n", "a"), networkEvent("create", "n", ""), `{"Actor":null}`} {
		f.Add(event)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var e wireEvent
		if json.Unmarshal([]byte(text), &e) != nil {
			return
		}
		if c := e.change(); (c.action == ignored || c.action == renetworked) != (c.id == "") {
			t.Errorf("%+v of %s", c, text)
		}
	})
}
