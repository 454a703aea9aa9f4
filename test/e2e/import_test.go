//go:build e2e && linux

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

// describeInstances is an answer of EC2 with an instance.
const describeInstances = `<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
<requestId>8f7724cf-496f-496e-8fe3-example</requestId>
<reservationSet><item><reservationId>r-0123456789abcdef0</reservationId><ownerId>012345678901</ownerId><groupSet/><instancesSet><item>
<instanceId>i-0123456789abcdef1</instanceId><imageId>ami-0123456789abcdef0</imageId><instanceType>m6i.large</instanceType>
<instanceState><code>16</code><name>running</name></instanceState><launchTime>2025-01-31T12:00:00.000Z</launchTime>
<placement><availabilityZone>us-west-2-lax-1a</availabilityZone><groupName/><tenancy>default</tenancy></placement>
<architecture>x86_64</architecture><privateIpAddress>10.0.1.10</privateIpAddress><amiLaunchIndex>0</amiLaunchIndex><hypervisor>xen</hypervisor>
<tagSet><item><key>Name</key><value>null</value></item><item><key>color</key><value>0x1F</value></item><item><key>text</key><value>a: #b
Zürich</value></item></tagSet>
<metadataOptions><state>applied</state><httpTokens>required</httpTokens><httpEndpoint>enabled</httpEndpoint><instanceMetadataTags>enabled</instanceMetadataTags></metadataOptions>
</item></instancesSet></item></reservationSet></DescribeInstancesResponse>
`

const describedInstance = `# From describe-instances, by mock-ec2-metadata import.
aws:
  account_id: "012345678901"
  availability_zone: us-west-2-lax-1a
ec2:
  local_ipv4: 10.0.1.10
  instance_id: i-0123456789abcdef1
  image_id: ami-0123456789abcdef0
  instance_type: m6i.large
  reservation_id: r-0123456789abcdef0
  pending_time: "2025-01-31T12:00:00Z"
  tags:
    Name: "null"
    color: "0x1F"
    text: |-
      a: #b
      Zürich
  metadata_options:
    http_tokens: required
`

func TestImport_ReadsWhatTheAWSCLIWrites(t *testing.T) {
	aws, bin, dir := findTool(t, "aws", "awscli"), buildDaemon(t), t.TempDir()
	ec2 := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Form.Get("Action") != "DescribeInstances" {
			http.Error(w, "", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
		_, _ = fmt.Fprint(w, describeInstances)
	}))
	defer ec2.Close()
	env := []string{
		"HOME=" + dir, "AWS_ACCESS_KEY_ID=invented", "AWS_SECRET_ACCESS_KEY=invented", "AWS_PAGER=",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=" + dir + "/none", "AWS_SHARED_CREDENTIALS_FILE=" + dir + "/none", "LC_ALL=C.UTF-8",
	}
	list := []string{"env", "-u", "AWS_PROFILE", "-u", "AWS_SESSION_TOKEN", aws, "ec2", "describe-instances", "--region", "us-west-2", "--endpoint-url", ec2.URL}
	all, each := "Reservations[].Instances[]", "Reservations[*].Instances[*]"
	bare := strings.NewReplacer("  account_id: \"012345678901\"\n", "", "  reservation_id: r-0123456789abcdef0\n", "").Replace(describedInstance)
	for _, tc := range []struct {
		name string
		args []string
		want string // the beginning of the error if it is not a configuration
	}{
		{"json", []string{"--output", "json"}, describedInstance},
		{"yaml", []string{"--output", "yaml"}, describedInstance},
		{"yaml-stream", []string{"--output", "yaml-stream"}, describedInstance},
		{"query", []string{"--output", "json", "--query", all}, bare},
		{"query of lists", []string{"--output", "yaml", "--query", each}, bare},
		{"text", []string{"--output", "text"}, "the AWS CLI's table or text form"},
		{"table", []string{"--output", "table"}, "the AWS CLI's table or text form"},
		{"table of a query", []string{"--output", "table", "--query", all}, "the AWS CLI's table or text form"},
		{"text of a query", []string{"--output", "text", "--query", all + ".[InstanceId,ImageId]"}, "neither JSON nor YAML"},
		{"query of ids", []string{"--output", "json", "--query", all + ".InstanceId"}, "a list of what is not an instance"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := testutil.Write(t, dir+"/answer", mustScript(t, dir, env, append(list, tc.args...)...))
			r := script(t, dir, env, bin, "import", "--quiet", file)
			failed := r.code == 1 && r.stdout == "" && strings.HasPrefix(r.stderr, "mock-ec2-metadata: "+file+": "+tc.want)
			if !failed && (r.code != 0 || r.stdout != tc.want) {
				t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
			}
		})
	}
}

func TestImport_FullDiskLeavesWhatWasThere(t *testing.T) {
	unshare, mount, setpriv := findTool(t, "unshare", "util-linux"), findTool(t, "mount", "mount"), findTool(t, "setpriv", "util-linux")
	bin, dir := buildDaemon(t), t.TempDir()
	open(t, dir)
	testutil.Write(t, dir+"/small.json", `{"InstanceId": "i-0123456789abcdef1"}`)
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf(`{"InstanceId": "i-%017x", "Tags": [{"Key": "Name", "Value": "%0200d"}]}`, i, i))
	}
	testutil.Write(t, dir+"/many.json", "["+strings.Join(many, ",")+"]")
	const try = `mkdir "$2/disk" && "$3" -t tmpfs -o size=16k,mode=755 none "$2/disk" && cd "$2/disk" && echo "mine: true" >old.yaml || exit 9
"$1" import --quiet --output new.yaml ../many.json; echo "new: $?"
"$1" import --quiet --output old.yaml --force ../many.json; echo "old: $?"
"$1" import --quiet ../many.json >stdout.yaml; echo "stdout: $?"; rm stdout.yaml
ls -A; cat old.yaml
"$1" import --quiet --output old.yaml --force ../small.json; stat -c %a old.yaml
"$4" --reuid=65534 --regid=65534 --clear-groups -- "$1" import --quiet --output x.yaml <../small.json; echo "read-only: $?"
ls -A`
	r := script(t, dir, nil, unshare, "--mount", "sh", "-c", "("+try+") 2>&1", "sh", bin, dir, mount, setpriv)
	const want = `mock-ec2-metadata: new.yaml: cannot be written: no space left on device
new: 1
mock-ec2-metadata: old.yaml: cannot be written: no space left on device
old: 1
mock-ec2-metadata: standard output: cannot be written: no space left on device
stdout: 1
old.yaml
mine: true
600
mock-ec2-metadata: x.yaml: cannot be written: permission denied
read-only: 1
old.yaml
`
	if r.stdout != want {
		t.Errorf("got\n%s\nwant\n%s", r.stdout, want)
	}
}
