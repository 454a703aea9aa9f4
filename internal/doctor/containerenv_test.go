package doctor

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/config"
)

const (
	containerID = "0e9ad779-e05a-4336-9dfa-8f75a743b5ac"
	podIdentity = "http://169.254.170.23/v1/credentials"

	preferFull     = "clients that you start from this shell prefer AWS_CONTAINER_CREDENTIALS_FULL_URI to the metadata service; start them with: mock-ec2-metadata exec -- COMMAND"
	preferRelative = "clients that you start from this shell prefer AWS_CONTAINER_CREDENTIALS_RELATIVE_URI to the metadata service; start them with: mock-ec2-metadata exec -- COMMAND"
	toECS          = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI sends clients to 169.254.170.2, where the daemon is with ecs.enabled only; if that fails, they do not go on to the metadata service; unset it if it is an old one"
	debian12       = ", which boto3 before 1.32 refuses, as Debian 12's boto3 1.26.27 and AWS CLI 2.9.19 do; use "
	noToken        = "AWS_CONTAINER_CREDENTIALS_FULL_URI leads to EKS Pod Identity, which needs a token, but AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE is not set; set it to a file with one: kubectl create token NAME --audience pods.eks.amazonaws.com"
)

// noon is the time of environmentOf.
func noon() time.Time { return time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC) }

// environmentOf is what examineEnvironment says about variables, in a shell of a machine with a daemon at port 5000.
func environmentOf(t *testing.T, environ ...string) Finding {
	t.Helper()
	d := &doctor{
		opt: Options{Sources: config.Sources{Environ: environ}, Now: noon}, service: serviceOf(environ), found: "0.0.0.0:5000",
		daemon: &api.Status{Identities: []api.Identity{{Identity: "clients[0]", Role: "x"}, {Role: "web", ID: containerID}}},
	}
	return d.examineEnvironment(t.Context())
}

// expectNotes fails the test unless a finding is a note of these lines, or that all is well if there is none.
func expectNotes(t *testing.T, got Finding, lines ...string) {
	t.Helper()
	want := Finding{Mark: Note, Text: strings.Join(lines, "\n")}
	if len(lines) == 0 {
		want = Finding{Mark: OK, Text: "no variable of this shell keeps clients from 169.254.169.254"}
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Finding{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestContainerVariables_SayWhatIsWrong(t *testing.T) {
	full := func(uri string) string { return "AWS_CONTAINER_CREDENTIALS_FULL_URI=" + uri }
	relative := func(path string) string { return "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=" + path }
	const (
		leads   = "AWS_CONTAINER_CREDENTIALS_FULL_URI leads to "
		refused = ", which every SDK refuses over http; use 127.0.0.1, or from a container 169.254.170.2 (ecs.enabled)"
		aName   = " over http, a name that boto3 and the SDK for JavaScript refuse, and others unless it is one of loopback addresses; use 127.0.0.1, or from a container 169.254.170.2 (ecs.enabled)"
		noURL   = "AWS_CONTAINER_CREDENTIALS_FULL_URI is no URL of http or https, so that every SDK fails; set it to one, or unset it"
		noSlash = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is no path that begins with a slash, so that every SDK fails; begin it with one, or unset it"
		newer   = "newer ones there, or 169.254.170.2 (ecs.enabled)"
		token   = "AWS_CONTAINER_AUTHORIZATION_TOKEN=a.e30.b"
	)
	for _, tt := range []struct {
		name    string
		environ []string
		want    []string
	}{
		{name: "none"},
		{name: "none, but a token", environ: []string{"AWS_CONTAINER_AUTHORIZATION_TOKEN=secret\n"}},
		{
			name: "of env --role", environ: []string{full("http://127.0.0.1:5000/v2/credentials/" + containerID), "AWS_EC2_METADATA_DISABLED=true"},
			want: []string{"clients that you start from this shell get the role web from the daemon (AWS_CONTAINER_CREDENTIALS_FULL_URI, as env sets it)"},
		},
		{
			name: "in the old form", environ: []string{full("http://localhost:5000/v1/credentials?id=" + containerID)},
			want: []string{"clients that you start from this shell get the role web from the daemon (AWS_CONTAINER_CREDENTIALS_FULL_URI, as env sets it)"},
		},
		{
			name: "of an old id", environ: []string{full("http://127.0.0.1:5000/v2/credentials/old")},
			want: []string{`AWS_CONTAINER_CREDENTIALS_FULL_URI leads to the daemon, but has an id that is none of its roles'; set it again: eval "$(mock-ec2-metadata env --role NAME)"`},
		},
		{
			name: "Pod Identity of the daemon", environ: []string{full("http://127.0.0.1:5000/v1/credentials")},
			want: []string{"clients that you start from this shell get credentials from the daemon as pods of EKS do (AWS_CONTAINER_CREDENTIALS_FULL_URI)", noToken},
		},
		{name: "of another daemon", environ: []string{full("http://127.0.0.1:5001/v2/credentials/" + containerID)}, want: []string{preferFull}},
		{name: "another path", environ: []string{full("http://127.0.0.1:5000/x")}, want: []string{preferFull}},
		{name: "localhost", environ: []string{full("http://LOCALHOST/x")}, want: []string{preferFull}},
		{name: "ECS by a whole URL", environ: []string{full("http://169.254.170.2/x")}, want: []string{preferFull}},
		{
			name: "https", environ: []string{full("https://localhost/x")},
			want: []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI is an https URL, which boto3 before 1.42.5 refuses; unset it, or start clients with: mock-ec2-metadata exec --role NAME -- COMMAND", preferFull},
		},
		{name: "no URL", environ: []string{full("hunter2")}, want: []string{noURL, preferFull}},
		{name: "another scheme", environ: []string{full("ftp://127.0.0.1/hunter2")}, want: []string{noURL, preferFull}},
		{name: "no host", environ: []string{full("http:///hunter2")}, want: []string{noURL, preferFull}},
		{name: "another loopback address", environ: []string{full("http://127.0.0.2:80/")}, want: []string{leads + "127.0.0.2" + debian12 + "127.0.0.1", preferFull}},
		{name: "IPv6", environ: []string{full("http://[::1]:80/")}, want: []string{leads + "::1" + debian12 + "127.0.0.1", preferFull}},
		{name: "EKS", environ: []string{full(podIdentity), token}, want: []string{
			leads + "169.254.170.23" + debian12 + newer,
			"AWS_CONTAINER_AUTHORIZATION_TOKEN has a token for another audience than pods.eks.amazonaws.com, which EKS Pod Identity refuses; write one for it: kubectl create token NAME --audience pods.eks.amazonaws.com",
			preferFull,
		}},
		{name: "EKS without a token", environ: []string{full(podIdentity)}, want: []string{leads + "169.254.170.23" + debian12 + newer, noToken, preferFull}},
		{name: "EKS by IPv6", environ: []string{full("http://[fd00:ec2::23]/v1/credentials")}, want: []string{
			leads + "fd00:ec2::23" + debian12 + newer,
			"the SDK for Java refuses fd00:ec2::23 unless AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is IPv6; for Java clients: export AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6",
			noToken, preferFull,
		}},
		{name: "EKS by IPv6 with Java's mode", environ: []string{full("http://[fd00:ec2::23]/v1/credentials"), "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=ipv6"}, want: []string{
			leads + "fd00:ec2::23" + debian12 + newer, noToken, preferFull,
		}},
		{name: "IPv4 with Java's other mode", environ: []string{relative("/x"), "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6"}, want: []string{
			toECS, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is IPv6, so that the SDK for Java refuses 169.254.170.2; unset it", preferRelative,
		}},
		{name: "the metadata service", environ: []string{full("http://169.254.169.254/")}, want: []string{leads + "169.254.169.254" + refused, preferFull}},
		{name: "another machine", environ: []string{full("http://user:hunter2@10.1.2.3:8080/")}, want: []string{leads + "10.1.2.3" + refused, preferFull}},
		{name: "Docker's host", environ: []string{full("http://host.docker.internal:5000/v2/credentials/" + containerID)}, want: []string{
			leads + "host.docker.internal, which every SDK refuses over http; from a container use 169.254.170.2 (ecs.enabled)", preferFull,
		}},
		{name: "a name", environ: []string{full("http://creds.local/")}, want: []string{leads + "creds.local" + aName, preferFull}},
		{name: "ECS", environ: []string{relative("/v2/credentials/old")}, want: []string{toECS, preferRelative}},
		{
			name: "ECS of the daemon", environ: []string{relative("/v2/credentials/" + containerID), "AWS_EC2_METADATA_DISABLED=true"},
			want: []string{"clients that you start from this shell get the role web from the daemon (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, at 169.254.170.2)"},
		},
		{
			name: "both of the daemon", environ: []string{relative("/v2/credentials/" + containerID), full("http://127.0.0.1:5000/v2/credentials/" + containerID)},
			want: []string{
				"clients that you start from this shell get the role web from the daemon (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, at 169.254.170.2)",
				"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI wins over AWS_CONTAINER_CREDENTIALS_FULL_URI in every SDK; unset the one that you do not mean", preferFull,
			},
		},
		{name: "without a slash", environ: []string{relative("hunter2")}, want: []string{noSlash, preferRelative}},
		{name: "no path", environ: []string{relative("/%hunter2")}, want: []string{noSlash, preferRelative}},
		{name: "empty", environ: []string{relative("")}, want: []string{
			"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is set but empty: boto3 and the AWS CLI ask http://169.254.170.2 all the same, other SDKs ignore it; unset it",
		}},
		{name: "both", environ: []string{relative("/x"), full("http://10.1.2.3/")}, want: []string{
			toECS, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI wins over AWS_CONTAINER_CREDENTIALS_FULL_URI in every SDK; unset the one that you do not mean",
			"clients that you start from this shell prefer AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, AWS_CONTAINER_CREDENTIALS_FULL_URI to the metadata service; start them with: mock-ec2-metadata exec -- COMMAND",
		}},
		{name: "a web identity", environ: []string{full("http://127.0.0.1/x"), "AWS_WEB_IDENTITY_TOKEN_FILE=/token", "AWS_ROLE_ARN=arn"}, want: []string{
			"AWS_WEB_IDENTITY_TOKEN_FILE wins over AWS_CONTAINER_CREDENTIALS_FULL_URI in boto3 and in the SDKs for Go and JavaScript; unset AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN",
			"clients that you start from this shell prefer AWS_WEB_IDENTITY_TOKEN_FILE, AWS_CONTAINER_CREDENTIALS_FULL_URI to the metadata service; start them with: mock-ec2-metadata exec -- COMMAND",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := environmentOf(t, tt.environ...)
			expectNotes(t, got, tt.want...)
			for _, secret := range []string{containerID, "hunter2"} {
				if strings.Contains(got.Text, secret) {
					t.Errorf("%s shows", secret)
				}
			}
		})
	}
}

func TestContainerVariables_LeadToTheDaemonAtTheAddressesOfPods(t *testing.T) {
	const java = "the SDK for Java refuses fd00:ec2::23 unless AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is IPv6; for Java clients: export AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6"
	for _, tt := range []struct {
		uri  string
		want []string
	}{
		{podIdentity, []string{
			"clients that you start from this shell get credentials from the daemon as pods of EKS do (AWS_CONTAINER_CREDENTIALS_FULL_URI)",
			"AWS_CONTAINER_CREDENTIALS_FULL_URI leads to 169.254.170.23" + debian12 + "newer ones there, or 169.254.170.2 (ecs.enabled)", noToken,
		}},
		{"http://[fd00:ec2::23]/v1/credentials", []string{ // where it does not listen
			"AWS_CONTAINER_CREDENTIALS_FULL_URI leads to fd00:ec2::23" + debian12 + "newer ones there, or 169.254.170.2 (ecs.enabled)", java, noToken, preferFull,
		}},
	} {
		environ := []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + tt.uri}
		d := &doctor{
			opt: Options{Sources: config.Sources{Environ: environ}, Now: noon}, service: serviceOf(environ), found: "0.0.0.0:5000",
			daemon: &api.Status{PodIdentity: &api.PodIdentity{Listen: []string{"169.254.170.23:80"}}},
		}
		expectNotes(t, d.examineEnvironment(t.Context()), tt.want...)
	}
}

func TestContainerVariables_OfAnAbsentDaemonLeadElsewhere(t *testing.T) {
	environ := []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:5000/v2/credentials/" + containerID}
	d := &doctor{opt: Options{Sources: config.Sources{Environ: environ}}, service: serviceOf(environ), found: "0.0.0.0:5000"}
	expectNotes(t, d.examineEnvironment(t.Context()), preferFull)
}

// TestContainerVariables_OnlyGoClientsUseTheProxy has proxies that other clients do not use for a container's service.
func TestContainerVariables_OnlyGoClientsUseTheProxy(t *testing.T) {
	const (
		imds = "no_proxy=169.254.169.254" // for the other rule
		ecs  = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/x"
		ways = ": Go clients that you start from this shell send requests for 169.254.170.2 to that proxy; exempt it: "
	)
	for _, tt := range []struct {
		name    string
		environ []string
		want    []string
	}{
		{name: "HTTP_PROXY", environ: []string{ecs, "HTTP_PROXY=http://p", imds}, want: []string{
			toECS, preferRelative, "HTTP_PROXY" + ways + "export no_proxy=169.254.169.254,169.254.170.2 NO_PROXY=169.254.169.254,169.254.170.2",
		}},
		{name: "http_proxy", environ: []string{ecs, "http_proxy=http://p", imds}, want: []string{
			toECS, preferRelative, "http_proxy" + ways + "export no_proxy=169.254.169.254,169.254.170.2 NO_PROXY=169.254.169.254,169.254.170.2",
		}},
		{name: "the other spelling of no_proxy wins", environ: []string{ecs, "http_proxy=http://p", "no_proxy=169.254.169.254,169.254.170.2", "NO_PROXY=a"}, want: []string{
			toECS, preferRelative, "http_proxy" + ways + "export no_proxy=169.254.169.254,169.254.170.2 NO_PROXY=169.254.169.254,169.254.170.2",
		}},
		{name: "all_proxy", environ: []string{ecs, "all_proxy=http://p", imds}, want: []string{toECS, preferRelative}},
		{name: "https_proxy", environ: []string{ecs, "HTTPS_PROXY=http://p"}, want: []string{toECS, preferRelative}},
		{name: "exempt", environ: []string{ecs, "HTTP_PROXY=http://p", "no_proxy=169.254.169.254,169.254.170.2"}, want: []string{toECS, preferRelative}},
		{name: "an exempt network", environ: []string{ecs, "HTTP_PROXY=http://p", "no_proxy=169.254.169.254,169.254.0.0/16"}, want: []string{toECS, preferRelative}},
		{name: "loopback", environ: []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1/x", "HTTP_PROXY=http://p", imds}, want: []string{preferFull}},
		{name: "another address", environ: []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=https://169.254.170.2/x", "HTTP_PROXY=http://p", imds}, want: []string{
			"AWS_CONTAINER_CREDENTIALS_FULL_URI is an https URL, which boto3 before 1.42.5 refuses; unset it, or start clients with: mock-ec2-metadata exec --role NAME -- COMMAND", preferFull,
		}},
		{name: "EKS", environ: []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + podIdentity, "HTTP_PROXY=http://p", imds}, want: []string{
			"AWS_CONTAINER_CREDENTIALS_FULL_URI leads to 169.254.170.23" + debian12 + "newer ones there, or 169.254.170.2 (ecs.enabled)", noToken, preferFull,
			"HTTP_PROXY: Go clients that you start from this shell send requests for 169.254.170.23 to that proxy; exempt it: export no_proxy=169.254.169.254,169.254.170.23 NO_PROXY=169.254.169.254,169.254.170.23",
		}},
		{name: "both services", environ: []string{ecs, "HTTP_PROXY=http://p"}, want: []string{
			toECS, preferRelative,
			"HTTP_PROXY: clients that you start from this shell send requests for 169.254.169.254 to that proxy; exempt it: export no_proxy=169.254.169.254 NO_PROXY=169.254.169.254",
			"HTTP_PROXY" + ways + "export no_proxy=169.254.169.254,169.254.170.2 NO_PROXY=169.254.169.254,169.254.170.2",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { expectNotes(t, environmentOf(t, tt.environ...), tt.want...) })
	}
}
