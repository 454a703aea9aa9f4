package docker

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/caller"
)

func details(t *testing.T, document string) *caller.Container {
	t.Helper()
	var d wireDetails
	if err := json.Unmarshal([]byte(document), &d); err != nil {
		t.Fatal(err)
	}
	return d.container()
}

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t
}

// The documents are those of engines, shortened.
func TestDetails_ShapesOfEngines(t *testing.T) {
	for _, tt := range []struct {
		name, document string
		want           caller.Container
	}{
		{
			name: "Docker 20.10, running",
			document: `{"Id":"978e","Created":"2026-11-29T20:22:36.381191453Z","Path":"sleep","Args":["1000"],"State":{"Status":"running","Running":true,
				"Paused":false,"Restarting":false,"OOMKilled":false,"Dead":false,"Pid":12507,"ExitCode":0,"Error":"","StartedAt":"2026-11-29T20:22:36.75360877Z",
				"FinishedAt":"2026-11-28T00:00:00Z","Health":{"Status":"healthy","FailingStreak":0,"Log":[
				{"Start":"2026-11-29T20:22:37.7Z","End":"2026-11-29T20:22:37.8Z","ExitCode":0,"Output":""},
				{"Start":"2026-11-29T20:22:38.8Z","End":"2026-11-29T20:22:38.9Z","ExitCode":0,"Output":"ok"}]}},
				"Image":"sha256:2069","Name":"/shop-web","RestartCount":2,
				"HostConfig":{"NetworkMode":"shop","PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]},"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":0},
				"LogConfig":{"Type":"json-file","Config":{"max-size":"1m","splunk-token":"hidden","gcp-Key":"hidden"}},"CpuShares":512,"NanoCpus":500000000,"CpuPeriod":0,"CpuQuota":0,"Memory":67108864,"MemorySwap":134217728},
				"Mounts":[{"Type":"bind","Source":"/tmp","Destination":"/t","Mode":"","RW":true,"Propagation":"rslave"},
				{"Type":"volume","Name":"vol","Source":"/var/lib/docker/volumes/vol/_data","Destination":"/data","Driver":"local","Mode":"z","RW":true,"Propagation":""},{"Type":"tmpfs","Source":"","Destination":"/run"}],
				"Config":{"ExposedPorts":{"80/tcp":{},"99/udp":{}},"Env":["ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/web1"],"Image":"bb",
				"Labels":{"com.docker.compose.project":"shop","com.docker.compose.service":"web"}},
				"NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"},{"HostIp":"::","HostPort":"8080"}],"99/udp":null},
				"Gateway":"","IPAddress":"","IPPrefixLen":0,"MacAddress":"","Networks":{"shop":{"IPAMConfig":null,"Aliases":["978e"],"NetworkID":"3cad",
				"Gateway":"172.31.7.1","IPAddress":"172.31.7.2","IPPrefixLen":24,"IPv6Gateway":"fd00:77::1","GlobalIPv6Address":"fd00:77::2","GlobalIPv6PrefixLen":64,
				"MacAddress":"02:42:ac:1f:07:02","DriverOpts":null}}}}`,
			want: caller.Container{
				ID: "978e", Name: "shop-web", Image: "bb", ImageID: "sha256:2069", Project: "shop", Service: "web", Endpoint: "web1",
				Labels: map[string]string{"com.docker.compose.project": "shop", "com.docker.compose.service": "web"},
				Status: "running", Created: at("2026-11-29T20:22:36.381191453Z"), Started: at("2026-11-29T20:22:36.75360877Z"),
				Health:    &caller.Health{Status: "healthy", Since: at("2026-11-29T20:22:37.7Z"), Output: "ok"},
				CPUShares: 512, CPUs: 0.5, Memory: 64 << 20,
				Ports: []caller.Port{
					{ContainerPort: 80, HostPort: 8080, Protocol: "tcp", HostIP: "0.0.0.0"},
					{ContainerPort: 80, HostPort: 8080, Protocol: "tcp", HostIP: "::"},
					{ContainerPort: 99, Protocol: "udp"},
				},
				Volumes: []caller.Volume{{Name: "vol", Source: "/var/lib/docker/volumes/vol/_data", Destination: "/data"}, {Source: "/tmp", Destination: "/t"}},
				Networks: []caller.Network{{
					Name: "shop", Mode: "bridge", IPv4: []string{"172.31.7.2"}, IPv6: []string{"fd00:77::2"}, MAC: "02:42:ac:1f:07:02",
					Gateway4: "172.31.7.1/24", Gateway6: "fd00:77::1/64", Subnet4: "172.31.7.0/24", Subnet6: "fd00:77::/64",
				}},
				LogDriver: "json-file", LogOptions: map[string]string{"max-size": "1m"}, RestartCount: new(2),
			},
		},
		{
			name: "Docker 29, ended, in two networks",
			document: `{"Id":"71fa","Created":"2026-11-29T20:22:36.7Z","State":{"Status":"exited","Running":false,"Paused":false,"Restarting":false,"ExitCode":3,
				"StartedAt":"2026-11-29T20:22:37.1Z","FinishedAt":"2026-11-29T20:22:38Z"},"Image":"sha256:2069","Name":"/shop-job","RestartCount":0,
				"HostConfig":{"NetworkMode":"bridge","RestartPolicy":{"Name":"no","MaximumRetryCount":0},"LogConfig":{"Type":"local","Config":{}},"CpuQuota":150000,"CpuPeriod":0,"NanoCpus":0},
				"ImageManifestDescriptor":{"mediaType":"application/vnd.oci.image.manifest.v1+json"},"Mounts":[],"Config":{"Image":"bb:1","ExposedPorts":{"80/tcp":{}},"Labels":{}},
				"NetworkSettings":{"SandboxID":"","SandboxKey":"","Ports":{},"Networks":{
				"shop":{"IPAMConfig":null,"Links":null,"Aliases":null,"DriverOpts":null,"GwPriority":0,"NetworkID":"3c","EndpointID":"","Gateway":"","IPAddress":"","MacAddress":"","IPPrefixLen":0,
				"IPv6Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"DNSNames":null},"bridge":{"GwPriority":0}}}}`,
			want: caller.Container{
				ID: "71fa", Name: "shop-job", Image: "bb:1", ImageID: "sha256:2069", Labels: map[string]string{}, Status: "exited", ExitCode: new(3), CPUs: 1.5,
				Created: at("2026-11-29T20:22:36.7Z"), Started: at("2026-11-29T20:22:37.1Z"), Finished: at("2026-11-29T20:22:38Z"),
				Ports:     []caller.Port{{ContainerPort: 80, Protocol: "tcp"}},
				Networks:  []caller.Network{{Name: "bridge", Mode: "bridge"}, {Name: "shop", Mode: "bridge"}},
				LogDriver: "local", LogOptions: map[string]string{},
			},
		},
		{
			name: "Docker 28, never started, on the host's network",
			document: `{"Id":"04c9","Created":"2026-11-29T20:22:37.2Z","State":{"Status":"created","Running":false,"ExitCode":0,"StartedAt":"0001-01-01T00:00:00Z","FinishedAt":"0001-01-01T00:00:00Z"},
				"Name":"/new","HostConfig":{"NetworkMode":"host","RestartPolicy":{"Name":"no"},"LogConfig":{"Type":"json-file","Config":null}},"Config":{"Image":"bb","Labels":null},
				"NetworkSettings":{"Ports":{},"Networks":{"host":{"IPAMConfig":null,"IPAddress":""}}}}`,
			want: caller.Container{
				ID: "04c9", Name: "new", Image: "bb", Status: "created", Created: at("2026-11-29T20:22:37.2Z"), LogDriver: "json-file",
				Networks: []caller.Network{{Name: "host", Mode: "host"}},
			},
		},
		{
			name: "Podman 4.3, running",
			document: `{"Id":"68d3","Created":"2026-11-29T20:22:59.600755897Z","State":{"Status":"running","Running":true,"ExitCode":0,"StartedAt":"2026-11-29T20:22:59.8Z",
				"FinishedAt":"0001-01-01T00:00:00Z","Health":{"Status":"starting","FailingStreak":0,"Log":null}},"Image":"sha256:9930","Name":"/pweb","RestartCount":0,
				"HostConfig":{"NetworkMode":"bridge","RestartPolicy":{"Name":"on-failure","MaximumRetryCount":0},"LogConfig":{"Type":"json-file","Config":null},
				"NanoCpus":250000000,"CpuPeriod":100000,"CpuQuota":25000,"CpuShares":0,"Memory":0},"Mounts":[],"Config":{"ExposedPorts":{"80/tcp":{}},"Image":"localhost/bb:latest",
				"Env":["container=podman","ECS_CONTAINER_METADATA_URI=http://169.254.170.2/v3/p1"],"Labels":{"io.podman.compose.project":"pshop"}},
				"NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"","HostPort":"8090"}]},"Networks":{"pshop":{"NetworkID":"pshop","Gateway":"10.89.0.1","IPAddress":"10.89.0.3","IPPrefixLen":24,"MacAddress":"62:36:5a:9d:ad:30"}}}}`,
			want: caller.Container{
				ID: "68d3", Name: "pweb", Image: "localhost/bb:latest", ImageID: "sha256:9930", Project: "pshop", Endpoint: "p1",
				Labels: map[string]string{"io.podman.compose.project": "pshop"}, Status: "running", CPUs: 0.25,
				Created: at("2026-11-29T20:22:59.600755897Z"), Started: at("2026-11-29T20:22:59.8Z"),
				Health:    &caller.Health{Status: "starting", Since: at("2026-11-29T20:22:59.8Z")},
				Ports:     []caller.Port{{ContainerPort: 80, HostPort: 8090, Protocol: "tcp"}},
				Networks:  []caller.Network{{Name: "pshop", Mode: "bridge", IPv4: []string{"10.89.0.3"}, MAC: "62:36:5a:9d:ad:30", Gateway4: "10.89.0.1/24", Subnet4: "10.89.0.0/24"}},
				LogDriver: "json-file", RestartCount: new(0),
			},
		},
		{
			name: "Podman 5, paused, on the host's network, of which it tells nothing",
			document: `{"Id":"b23a","Created":"2026-11-29T21:23:00+01:00","State":{"Status":"paused","Running":true,"Paused":true,"StartedAt":"2026-11-29T20:23:01Z","FinishedAt":"0001-01-01T00:00:00Z",
				"Health":{"Status":"","FailingStreak":0,"Log":null}},"Name":"/phost","HostConfig":{"NetworkMode":"host","RestartPolicy":{"Name":"","MaximumRetryCount":0},"LogConfig":{"Type":"journald","Config":null}},
				"Config":{"Image":"bb"},"NetworkSettings":{"Ports":{},"Networks":{}}}`,
			want: caller.Container{
				ID: "b23a", Name: "phost", Image: "bb", Status: "paused", Created: at("2026-11-29T20:23:00Z"), Started: at("2026-11-29T20:23:01Z"),
				Networks: []caller.Network{{Name: "host", Mode: "host"}}, LogDriver: "journald",
			},
		},
		{
			name: "Podman without root, with what cannot be read",
			document: `{"Id":"c1","State":{"Status":"running","Running":true,"StartedAt":"soon"},"HostConfig":{"NetworkMode":"pasta:--mtu,1500","CpuQuota":-1,"Memory":-1},
				"NetworkSettings":{"Ports":{"x/tcp":null,"70000/tcp":null,"53":[{"HostPort":"x"}]},"Networks":{"pasta":{"IPAddress":"10.0.2.100","IPPrefixLen":99,"Gateway":"10.0.2.2"},"b":null,"c":{"IPAddress":"10.9.0.2","Gateway":"10.9.0.1"}}}}`,
			want: caller.Container{
				ID: "c1", Status: "running", Ports: []caller.Port{{ContainerPort: 53, Protocol: "tcp"}},
				Networks: []caller.Network{{Name: "c", Mode: "pasta", IPv4: []string{"10.9.0.2"}}, {Name: "pasta", Mode: "pasta", IPv4: []string{"10.0.2.100"}}},
			},
		},
		{
			name: "early Podman, and Docker before 27's gateway",
			document: `{"Id":"c2","State":{"Status":"running","Running":true},"HostConfig":{"NetworkMode":"bridge"},
				"NetworkSettings":{"IPAddress":"10.88.0.4","IPPrefixLen":16,"Gateway":"10.88.0.1/16","Networks":null}}`,
			want: caller.Container{ID: "c2", Status: "running", Networks: []caller.Network{
				{Name: "bridge", Mode: "bridge", IPv4: []string{"10.88.0.4"}, Gateway4: "10.88.0.1/16", Subnet4: "10.88.0.0/16"},
			}},
		},
		{
			name: "waiting for its next start",
			document: `{"Id":"c3","RestartCount":4,"State":{"Status":"restarting","Running":true,"Restarting":true,"ExitCode":1,"FinishedAt":"2026-11-29T20:22:38Z"},
				"HostConfig":{"NetworkMode":"none","RestartPolicy":{"Name":"always"}}}`,
			want: caller.Container{ID: "c3", Status: "restarting", Networks: []caller.Network{{Name: "none", Mode: "none"}}, RestartCount: new(4)},
		},
		{name: "nothing", document: `{"Id":"c4","State":null,"Config":null,"HostConfig":null,"NetworkSettings":null,"Mounts":null}`, want: caller.Container{ID: "c4"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(&tt.want, details(t, tt.document)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDetails_HealthIsTheLastRunOfEqualChecks(t *testing.T) {
	const good, bad = `{"Start":"2026-01-01T00:00:0%Z","ExitCode":0,"Output":"up"}`, `{"Start":"2026-01-01T00:00:0%Z","ExitCode":2,"Output":"down"}`
	for _, tt := range []struct {
		name, status string
		checks       []string
		since        string // "" is unknown
		exitCode     int
	}{
		{name: "unhealthy after two", status: "unhealthy", checks: []string{good, bad, bad}, since: "2026-01-01T00:00:01Z", exitCode: 2},
		{name: "healthy again", status: "healthy", checks: []string{good, bad, good, good}, since: "2026-01-01T00:00:02Z"},
		{name: "still healthy", status: "healthy", checks: []string{bad, good, good, bad}, since: "2026-01-01T00:00:01Z", exitCode: 2},
		{name: "no checks told", status: "healthy"},
		{name: "only others told", status: "healthy", checks: []string{bad}, exitCode: 2},
		{name: "starting", status: "starting", checks: []string{bad, bad}, since: "2025-12-31T00:00:00Z", exitCode: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i := range tt.checks {
				tt.checks[i] = strings.Replace(tt.checks[i], "%", string(rune('0'+i)), 1)
			}
			c := details(t, `{"State":{"StartedAt":"2025-12-31T00:00:00Z","Health":{"Status":"`+tt.status+`","Log":[`+strings.Join(tt.checks, ",")+`]}}}`)
			want := time.Time{}
			if tt.since != "" {
				want = at(tt.since)
			}
			if !c.Health.Since.Equal(want) || c.Health.ExitCode != tt.exitCode {
				t.Errorf("%+v", c.Health)
			}
		})
	}
}

func TestDetails_NoHealthCheckIsNoHealth(t *testing.T) {
	for _, status := range []string{"", "none", "stopped"} {
		if c := details(t, `{"State":{"Health":{"Status":"`+status+`"}}}`); c.Health != nil {
			t.Errorf("%q is %+v", status, c.Health)
		}
	}
}

func TestDetails_OutputOfAHealthCheckIsBounded(t *testing.T) {
	c := details(t, `{"State":{"Health":{"Status":"healthy","Log":[{"Output":"x`+strings.Repeat("ä", 4000)+`"}]}}}`)
	if got := c.Health.Output; len(got) != maxOutput-1 || !utf8.ValidString(got) {
		t.Errorf("%d bytes", len(got))
	}
}

func TestEndpoint_IsTheLastSegmentAndNothingElse(t *testing.T) {
	const v4, v3 = "ECS_CONTAINER_METADATA_URI_V4=", "ECS_CONTAINER_METADATA_URI="
	for _, tt := range []struct {
		env  []string
		want string
	}{
		{env: []string{v4 + "http://169.254.170.2/v4/web-1"}, want: "web-1"},
		{env: []string{v3 + "http://169.254.170.2/v3/old", v4 + "http://169.254.170.2/v4/new"}, want: "new"},
		{env: []string{v3 + "http://169.254.170.2/v3/old", v4}, want: "old"},
		{env: []string{v4 + "http://u:secret@127.0.0.1:5000/v4/a%20b?token=secret#secret"}, want: "a b"},
		{env: []string{v4 + "http://169.254.170.2/v4/" + strings.Repeat("x", 128)}, want: strings.Repeat("x", 128)},
		{env: []string{v4 + "http://169.254.170.2/v4/" + strings.Repeat("x", 129)}},
		{env: []string{v4 + "http://169.254.170.2/v4/a%2Fb"}},
		{env: []string{v4 + "http://169.254.170.2/v4/a%0Ab"}},
		{env: []string{v4 + "http://169.254.170.2/v4/"}},
		{env: []string{v4 + "http://secret"}},
		{env: []string{v4 + "secret"}},
		{env: []string{v4 + "http:secret"}},
		{env: []string{v4 + "http://169.254.170.2/v4/web?" + strings.Repeat("x", maxRole)}},
		{env: []string{"OTHER=http://169.254.170.2/v4/web", "ECS_CONTAINER_METADATA_URI_V4"}},
	} {
		if got := chooseEndpoint(tt.env); got != tt.want {
			t.Errorf("%q has %q, want %q", tt.env, got, tt.want)
		}
	}
}

func TestProject_OddNamesAreNone(t *testing.T) {
	for value, want := range map[string]string{"shop": "shop", "": "p", "a\nb": "p", strings.Repeat("x", 129): "p"} {
		labels := map[string]string{"com.docker.compose.project": value, "io.podman.compose.project": "p"}
		if got := chooseName(labels, projectLabels); got != want {
			t.Errorf("%q is %q", value, got)
		}
	}
}

// FuzzDetails checks that no value of a variable but an endpoint gets out of a document.
func FuzzDetails(f *testing.F) {
	const secret = "s3cr3t-of-the-environment"
	f.Add(`{"Id":"a","Config":{"Env":["ECS_CONTAINER_METADATA_URI_V4=http://x/v4/e"]},"State":{"Health":{"Status":"healthy","Log":[{"Start":"2026-01-01T00:00:00Z"}]}}}`)
	f.Add(`{"HostConfig":{"NetworkMode":"x","NanoCpus":1},"NetworkSettings":{"Ports":{"1/tcp":[{"HostPort":"2"}]},"Networks":{"n":{"IPAddress":"10.0.0.1","IPPrefixLen":8,"Gateway":"::1"}}}}`)
	f.Fuzz(func(t *testing.T, document string) {
		var d wireDetails
		if json.Unmarshal([]byte(document), &d) != nil || strings.Contains(document, secret) {
			return
		}
		d.Config.Env = append(d.Config.Env, "PASSWORD="+secret, "ECS_CONTAINER_METADATA_URI_V4=http://"+secret+":x@h/"+secret+"/e?"+secret)
		c := d.container()
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), secret) || len(c.Endpoint) > maxName || strings.Contains(c.Endpoint, "/") {
			t.Errorf("%s", text)
		}
		if (c.ExitCode != nil) == c.Finished.IsZero() {
			t.Errorf("it ended at %v with %v", c.Finished, c.ExitCode)
		}
	})
}
