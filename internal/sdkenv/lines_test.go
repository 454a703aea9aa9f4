package sdkenv

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDocker_NamesTheWayToTheDaemon(t *testing.T) {
	const variables = `  -e AWS_METADATA_SERVICE_TIMEOUT=5 \
  -e AWS_METADATA_SERVICE_NUM_ATTEMPTS=3 \
  amazon/aws-cli sts get-caller-identity
`
	for _, tt := range []struct {
		name string
		way  Way
		want string
	}{
		{"built in", Way{}, "docker run --rm \\\n  amazon/aws-cli sts get-caller-identity\n"},
		{"an address", Way{Daemon: "http://172.17.0.1:5000/"}, "docker run --rm \\\n  -e AWS_EC2_METADATA_SERVICE_ENDPOINT=http://172.17.0.1:5000/ \\\n" + variables},
		{
			"the gateway",
			Way{Daemon: "http://host.docker.internal:5000/", Gateway: true},
			"docker run --rm \\\n  --add-host host.docker.internal:host-gateway \\\n  -e AWS_EC2_METADATA_SERVICE_ENDPOINT=http://host.docker.internal:5000/ \\\n" + variables,
		},
		{
			"the machine's network",
			Way{Daemon: "http://[::1]:5000/", HostNetwork: true},
			"docker run --rm \\\n  --network host \\\n  -e AWS_EC2_METADATA_SERVICE_ENDPOINT='http://[::1]:5000/' \\\n" + variables,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.way.Docker()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			wantShell(t, tt.way.Docker())
		})
	}
}

func TestCompose_NamesTheWayToTheDaemon(t *testing.T) {
	const head = "services:\n  app:\n    image: amazon/aws-cli\n    command: sts get-caller-identity\n"
	for _, tt := range []struct {
		name string
		way  Way
		want string
	}{
		{"built in", Way{}, head},
		{"the gateway", Way{Daemon: "http://host.docker.internal:5000/", Gateway: true}, head + `    extra_hosts: ["host.docker.internal:host-gateway"]
    environment:
      AWS_EC2_METADATA_SERVICE_ENDPOINT: "http://host.docker.internal:5000/"
      AWS_METADATA_SERVICE_TIMEOUT: "5"
      AWS_METADATA_SERVICE_NUM_ATTEMPTS: "3"
`},
		{"the machine's network", Way{Daemon: "http://127.0.0.1:5000/", HostNetwork: true}, head + `    network_mode: host
    environment:
      AWS_EC2_METADATA_SERVICE_ENDPOINT: "http://127.0.0.1:5000/"
      AWS_METADATA_SERVICE_TIMEOUT: "5"
      AWS_METADATA_SERVICE_NUM_ATTEMPTS: "3"
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.way.Compose()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNAT_NamesWhatIsUnusual(t *testing.T) {
	const vagrant = `# config.vm.provision "shell", path: "nat.sh", run: "always", name: "NAT"`
	for _, tt := range []struct {
		host string
		port uint16
		want string
	}{
		{"", 5000, "sudo sh nat.sh\n" + vagrant + "\n"},
		{"", 5001, "sudo METADATA_PORT=5001 sh nat.sh\n" + vagrant + `, env: { "METADATA_PORT" => "5001" }` + "\n"},
		{
			"192.168.56.1", 80, "sudo METADATA_HOST=192.168.56.1 METADATA_PORT=80 sh nat.sh\n" + vagrant +
				`, env: { "METADATA_HOST" => "192.168.56.1", "METADATA_PORT" => "80" }` + "\n",
		},
	} {
		t.Run(tt.want, func(t *testing.T) {
			if got := NAT(tt.host, tt.port); got != tt.want {
				t.Errorf("got %s", got)
			}
			wantShell(t, tt.want)
		})
	}
}

func TestPod_NamesTheRole(t *testing.T) {
	with, without := Pod("web"), Pod("")
	if want := "\n  annotations: {iam.amazonaws.com/role: \"web\"}"; strings.Replace(with, want, "", 1) != without || with == without {
		t.Errorf("got %s and %s", with, without)
	}
	wantShell(t, with)
}

// wantShell checks the syntax.
func wantShell(t *testing.T, lines string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "sh", "-nc", lines).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
