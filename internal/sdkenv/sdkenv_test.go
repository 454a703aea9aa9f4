package sdkenv

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChanges_ApplyReplacesWholeNames(t *testing.T) {
	c := Changes{Set: []Variable{{"A", "new"}, {"B", "b=b"}}, Unset: []string{"C", "D"}}
	environ := []string{"A=old", "AA=stays", "C=c", "A=older", "CC", "c=stays"}
	before := slices.Clone(environ)
	got := c.Apply(environ)
	if diff := cmp.Diff([]string{"AA=stays", "CC", "c=stays", "A=new", "B=b=b"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !slices.Equal(environ, before) {
		t.Errorf("Apply changed its argument: %q", environ)
	}
}

func TestNew_LeavesOneWayToCredentials(t *testing.T) {
	c := New("http://127.0.0.1:5000/", nil)
	want := []Variable{
		{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:5000/"},
		{"AWS_METADATA_SERVICE_TIMEOUT", "5"},
		{"AWS_METADATA_SERVICE_NUM_ATTEMPTS", "3"},
		{"AWS_CONFIG_FILE", "/dev/null"},
		{"AWS_SHARED_CREDENTIALS_FILE", "/dev/null"},
		{"BOTO_CONFIG", "/dev/null"},
		{"CPL_AWS_EC2_API_ROOT_URL", "http://127.0.0.1:5000"},
		{"CPL_AWS_AUTODETECT_EC2", "NO"},
	}
	if diff := cmp.Diff(want, c.Set); diff != "" {
		t.Errorf("set (-want +got):\n%s", diff)
	}
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE",
		"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
		"AWS_EC2_METADATA_DISABLED",
	} {
		if !slices.Contains(c.Unset, name) {
			t.Errorf("%s stays", name)
		}
	}
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_STS"} {
		if slices.Contains(c.Unset, name) {
			t.Errorf("%s does not stay", name)
		}
	}
}

func TestNew_ExcludesTheDaemonFromProxies(t *testing.T) {
	for _, tt := range []struct {
		name    string
		environ []string
		want    []Variable
	}{
		{"no proxy", []string{"no_proxy=a", "https_proxy=http://p"}, nil},
		{"an empty one", []string{"http_proxy="}, nil},
		{"nothing excluded", []string{"HTTP_PROXY=http://p"}, []Variable{{"no_proxy", "::1"}, {"NO_PROXY", "::1"}}},
		{"one spelling", []string{"all_proxy=http://p", "NO_PROXY=a,b"}, []Variable{{"no_proxy", "a,b,::1"}, {"NO_PROXY", "a,b,::1"}}},
		{"both", []string{"http_proxy=http://p", "NO_PROXY=A", "no_proxy=a"}, []Variable{{"no_proxy", "a,::1"}, {"NO_PROXY", "A,::1"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const address = "http://[::1]:5000/"
			if diff := cmp.Diff(tt.want, withoutProxy(address, tt.environ)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			all := New(address, tt.environ).Set
			if got := all[len(all)-len(tt.want):]; !slices.Equal(got, tt.want) {
				t.Errorf("New ends with %v", got)
			}
		})
	}
}

func TestLookup_TheLastOneCounts(t *testing.T) {
	environ := []string{"A=1", "AB=2", "A=3=4", "B", "C="}
	for _, tt := range []struct{ name, want string }{{"A", "3=4"}, {"B", ""}, {"C", ""}, {"D", ""}} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Lookup(environ, tt.name); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNewProxy_LeadsTheServiceToTheDaemonOnly(t *testing.T) {
	for _, tt := range []struct {
		name, noProxy, want string
	}{
		{"nothing excluded", "", "127.0.0.1"},
		{"the address", "169.254.169.254,intranet", "intranet,127.0.0.1"},
		{"the address with a port", "169.254.169.254:80", "127.0.0.1"},
		{"its network", "169.254.0.0/16, 10.0.0.0/8", "10.0.0.0/8,127.0.0.1"},
		{"another network", "169.254.170.0/24", "169.254.170.0/24,127.0.0.1"},
		{"a part of the address", "169.254.,.169.254", "127.0.0.1"},
		{"wildcards", "*,169.254.*,*.example.com", "*.example.com,127.0.0.1"},
		{"the daemon", "localhost,127.0.0.1", "localhost,127.0.0.1"},
		{"an address that looks similar", "169.254.169.25", "169.254.169.25,127.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := map[string][]string{}
			for _, v := range NewProxy("http://127.0.0.1:5000/", []string{"no_proxy=" + tt.noProxy, "http_proxy=http://corp:3128"}).Set {
				got[v.Name] = append(got[v.Name], v.Value)
			}
			for name, want := range map[string]string{
				"http_proxy": "http://127.0.0.1:5000/", "HTTP_PROXY": "http://127.0.0.1:5000/", "no_proxy": tt.want, "NO_PROXY": tt.want,
			} {
				if diff := cmp.Diff([]string{want}, got[name]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}
