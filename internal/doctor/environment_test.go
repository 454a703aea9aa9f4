package doctor

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/config"
)

func TestExamineEnvironment_NamesWhatKeepsClientsAway(t *testing.T) {
	const (
		fine    = "no variable of this shell keeps clients from 169.254.169.254"
		exec    = " to the metadata service; start them with: mock-ec2-metadata exec -- COMMAND"
		prefer  = "clients that you start from this shell prefer "
		swallow = "clients that you start from this shell send requests for 169.254.169.254 to that proxy; exempt it: "
	)
	for _, tt := range []struct {
		name    string
		environ []string
		mark    Mark
		want    string
	}{
		{name: "nothing", mark: OK, want: fine},
		{name: "keys", environ: []string{"AWS_ACCESS_KEY_ID=AKIA", "AWS_SECRET_ACCESS_KEY=secret", "AWS_SESSION_TOKEN=token"}, mark: Note, want: prefer + "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY" + exec},
		{name: "a profile", environ: []string{"AWS_PROFILE=work"}, mark: Note, want: prefer + "AWS_PROFILE" + exec},
		{name: "a web identity", environ: []string{"AWS_ROLE_ARN=arn", "AWS_WEB_IDENTITY_TOKEN_FILE=/token"}, mark: Note, want: prefer + "AWS_WEB_IDENTITY_TOKEN_FILE" + exec},
		{name: "a role alone", environ: []string{"AWS_ROLE_ARN=arn", "AWS_ROLE_SESSION_NAME=x", "AWS_CONTAINER_AUTHORIZATION_TOKEN=t"}, mark: OK, want: fine},
		{name: "a container", environ: []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1/"}, mark: Note, want: prefer + "AWS_CONTAINER_CREDENTIALS_FULL_URI" + exec},
		{name: "switched off", environ: []string{"AWS_EC2_METADATA_DISABLED=TRUE"}, mark: Note, want: prefer + "AWS_EC2_METADATA_DISABLED" + exec},
		{name: "switched on", environ: []string{"AWS_EC2_METADATA_DISABLED=false"}, mark: OK, want: fine},
		{name: "empty", environ: []string{"AWS_PROFILE=", "http_proxy="}, mark: OK, want: fine},
		{name: "regions", environ: []string{"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "https_proxy=http://p"}, mark: OK, want: fine},
		{name: "http_proxy", environ: []string{"http_proxy=http://user:secret@p:3128"}, mark: Note, want: "http_proxy: " + swallow + "export no_proxy=169.254.169.254 NO_PROXY=169.254.169.254"},
		{name: "others", environ: []string{"HTTP_PROXY=http://p", "ALL_PROXY=http://p", "NO_PROXY=a, b"}, mark: Note, want: "HTTP_PROXY, ALL_PROXY: " + swallow + "export no_proxy='a, b,169.254.169.254' NO_PROXY='a, b,169.254.169.254'"},
		{name: "exempt", environ: []string{"http_proxy=http://p", "no_proxy=localhost, 169.254.169.254"}, mark: OK, want: fine},
		{name: "exempt in capitals", environ: []string{"http_proxy=http://p", "NO_PROXY=169.254.169.254"}, mark: OK, want: fine},
		{name: "exempt in the other spelling only", environ: []string{"http_proxy=http://p", "no_proxy=a", "NO_PROXY=169.254.169.254"}, mark: Note, want: "http_proxy: " + swallow + "export no_proxy=a,169.254.169.254 NO_PROXY=a,169.254.169.254"},
		{name: "all exempt", environ: []string{"all_proxy=http://p", "no_proxy=*"}, mark: OK, want: fine},
		{name: "exempt with a port", environ: []string{"all_proxy=http://p", "no_proxy=169.254.169.254:80"}, mark: OK, want: fine},
		{name: "exempt network", environ: []string{"http_proxy=http://p", "no_proxy=169.254.0.0/16"}, mark: Note, want: "http_proxy: some clients know no networks in no_proxy (boto3, curl before 7.86), so 169.254.0.0/16 does not keep their requests to 169.254.169.254 from that proxy; add the address itself to no_proxy and NO_PROXY"},
		{name: "another network", environ: []string{"http_proxy=http://p", "no_proxy=10.0.0.0/8"}, mark: Note, want: "http_proxy: " + swallow + "export no_proxy=10.0.0.0/8,169.254.169.254 NO_PROXY=10.0.0.0/8,169.254.169.254"},
		{name: "a longer name", environ: []string{"http_proxy=http://p", "no_proxy=169.254.169.25,.254"}, mark: Note, want: "http_proxy: " + swallow + "export no_proxy=169.254.169.25,.254,169.254.169.254 NO_PROXY=169.254.169.25,.254,169.254.169.254"},
		{name: "both", environ: []string{"http_proxy=http://p", "AWS_PROFILE=work"}, mark: Note, want: prefer + "AWS_PROFILE" + exec + "\nhttp_proxy: " + swallow + "export no_proxy=169.254.169.254 NO_PROXY=169.254.169.254"},
		{name: "another endpoint", environ: []string{"http_proxy=http://p", "no_proxy=.example.com", "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://imds.example.com/"}, mark: OK, want: "no variable of this shell keeps clients from imds.example.com"},
		{name: "IPv6", environ: []string{"http_proxy=http://p", "no_proxy=[fd00:ec2::254]", "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://[fd00:ec2::254]/"}, mark: OK, want: "no variable of this shell keeps clients from fd00:ec2::254"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &doctor{opt: Options{Sources: config.Sources{Environ: tt.environ}}, service: serviceOf(tt.environ)}
			got := d.examineEnvironment(t.Context())
			if diff := cmp.Diff(Finding{Mark: tt.mark, Text: tt.want}, got, cmp.AllowUnexported(Finding{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
