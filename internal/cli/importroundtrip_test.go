package cli

import (
	"bytes"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/importer"
)

// fastCrawl is for daemons of the test itself.
func fastCrawl() crawlLimits {
	limits := usualCrawl()
	limits.pause = 0
	return limits
}

// importService imports a running service. It returns the configuration and the notes.
func importService(t *testing.T, url string, opt importer.Options) (yaml, notes string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	f := &importFlags{Options: opt, importSources: importSources{fromIMDS: url, limits: fastCrawl()}}
	result, err := f.read(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeImport(cmd, f, result); err != nil {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String()
}

// served reads all leaves and listings of a daemon but signatures and credentials.
func served(t *testing.T, url string) map[string]string {
	t.Helper()
	base, err := serviceURL(url, false)
	if err != nil {
		t.Fatal(err)
	}
	c, err := crawl(t.Context(), base, fastCrawl(), true, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := maps.Clone(c.found.Leaves)
	for path := range c.listed {
		all["listed "+path] = ""
	}
	all["user-data"], all["role"] = string(c.found.UserData), c.found.Role
	return all
}

func TestImport_ServiceIsServedAgainAlike(t *testing.T) {
	for _, tc := range []struct{ name, config string }{
		{"the default", mockConfig},
		{"no role, no address of IPv4", "ec2: {local_ipv4s: [], ipv6: '2001:db8:1:2::5'}\n"},
		{"several interfaces", `
credentials: {mock: true, iam_role: "arn:aws:iam::012345678901:role/app/web"}
aws: {account_id: "012345678901", availability_zone: us-west-2-lax-1a}
ec2:
  local_ipv4s: [10.1.2.3, 10.1.2.4]
  public_ipv4s: [203.0.113.9, 203.0.113.10]
  ipv6s: ["2001:db8:1:2::5", "2001:db8:1:2::6"]
  ipv4_prefixes: [10.1.3.0/28]
  vpc_ipv4_cidr_blocks: [10.1.0.0/16, 10.2.0.0/16]
  network_interfaces:
    - {device_number: 1, local_ipv4s: [10.1.2.20], security_groups: [b], public_ipv4s: [203.0.113.11]}
    - {device_number: 1, network_card: 1, local_ipv4s: [], ipv6s: ["2001:db8:1:2::9"], subnet_id: subnet-1}
`},
		{"odd values", `
credentials: {mock: true, iam_role: "arn:aws-us-gov:iam::012345678901:role/web"}
aws: {account_id: "012345678901", availability_zone: us-gov-west-1a}
ec2:
  instance_id: i-0aaaaaaaaaaaaaaa1
  instance_type: m4.large
  life_cycle: spot
  monitoring: enabled
  ami_launch_index: 7
  pending_time: 2024-05-06T07:08:09Z
  product_codes: [a, b]
  hostname: box.example.com
  placement: {group_name: "my group", partition_number: 3, host_id: h-1}
  block_devices: {ami: xvda, ebs1: sdb, ephemeral0: sdc}
  tags: {Name: "no", Number: 0x1F, Exponent: 1e3, "null": "null", Quotes: '"'' : #', Lines: "a\nb", Smile: "😀", Empty: ""}
  key_pairs:
    - {name: my key, public_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me@example.com"}
  user_data_base64: //79AA==
metadata:
  meta-data/system: null
  meta-data/metrics: null
  meta-data/identity-credentials: null
  meta-data/events: null
  dynamic/fws/instance-monitoring: null
  meta-data/hibernation/configured: "false"
  meta-data/ancestor-ami-ids: |-
    ami-00000000000000001
    ami-00000000000000002
  meta-data/kernel-id: aki-1
  dynamic/instance-identity/document: '{"accountId" : "012345678901", "kernelId" : "aki-1"}'
`},
		{"a scheduled event", "credentials: {mock: true}\nevents: [{maintenance: system-reboot, not_before: 2036-12-01T02:00:00Z}, {maintenance: instance-stop, not_before: 2036-12-02T02:00:00Z}]\n"},
		{"no signature of one kind", "metadata: {dynamic/instance-identity/rsa2048: null, meta-data/identity-credentials: null}\n"},
		{"tags are off", "ec2: {tags: {Name: x}, metadata_options: {instance_metadata_tags: disabled, http_tokens: required}}\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			home := isolate(t)
			write := func(name, content string) string {
				path := filepath.Join(home, name)
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
				return path
			}
			first := start(t, "--config", write("first.yaml", tc.config), "--set", "server.control=off")
			yaml, notes := importService(t, first.url, importer.Options{UserData: true})
			if strings.Contains(notes, "lost") {
				t.Errorf("notes\n%s", notes)
			}
			second := start(t, "--config", write("second.yaml", yaml), "--set", "server.control=off")
			want, got := served(t, first.url), served(t, second.url)
			for _, path := range slices.Sorted(maps.Keys(want)) {
				if value, ok := got[path]; !ok || value != want[path] {
					t.Errorf("%s: %q, not %q", path, value, want[path])
				}
			}
			for path := range got {
				if _, ok := want[path]; !ok {
					t.Errorf("%s is too much", path)
				}
			}
			again, _ := importService(t, second.url, importer.Options{UserData: true})
			if again != yaml {
				t.Errorf("an import of the import is\n%s\nnot\n%s", again, yaml)
			}
			for line := range strings.SplitSeq(first.log.String(), "\n") {
				if strings.Contains(line, "security-credentials/") && !strings.Contains(line, `security-credentials/"`) || strings.Contains(line, "pkcs7") || strings.Contains(line, "managed-ssh") {
					t.Errorf("it has asked for a secret: %s", line)
				}
			}
		})
	}
}

// TestImport_NoticeOfAEMMIsForTwoClients asks from three addresses of the loopback.
func TestImport_NoticeOfAEMMIsForTwoClients(t *testing.T) {
	home := isolate(t)
	file := filepath.Join(home, "aemm.json")
	if err := os.WriteFile(file, []byte(`{"spot": {"action": "stop"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	imported := run(t, "import", file, "--output", filepath.Join(home, "c.yaml"))
	if imported.code != 0 {
		t.Fatal(imported.stderr)
	}
	d := start(t, "--config", filepath.Join(home, "c.yaml"), "--set", "server.control=off")
	for _, tc := range []struct {
		from string
		want int
	}{{"127.0.0.1", 200}, {"127.0.0.2", 200}, {"127.0.0.3", 404}, {"127.0.0.1", 200}} {
		dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(tc.from)}}
		client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
		resp, err := client.Get(d.url + "latest/meta-data/spot/instance-action")
		if err != nil {
			t.Skip("this machine has no such address: ", err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != tc.want {
			t.Errorf("%s gets %d, not %d", tc.from, resp.StatusCode, tc.want)
		}
	}
}

func TestImport_NoticeOfAEMMWaitsForItsDelay(t *testing.T) {
	home := isolate(t)
	for delay, want := range map[string]int{"3600": 404, "0": 200} {
		file, yaml := filepath.Join(home, delay+".json"), filepath.Join(home, delay+".yaml")
		if err := os.WriteFile(file, []byte(`{"spot": {"action": "stop"}, "mock-delay-sec": `+delay+`}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if imported := run(t, "import", file, "--output", yaml); imported.code != 0 {
			t.Fatal(imported.stderr)
		}
		d := start(t, "--config", yaml, "--set", "server.control=off")
		resp, err := http.Get(d.url + "latest/meta-data/spot/instance-action")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("with a delay of %s s: %d, not %d", delay, resp.StatusCode, want)
		}
	}
}

func TestImport_AEMMReadsTheFileOfTheHomeDirectory(t *testing.T) {
	home := isolate(t)
	for _, name := range []string{"aemm-config.yaml", "aemm-config.json"} { // the second counts before the first
		if err := os.WriteFile(filepath.Join(home, name), []byte(`{"metadata": {"values": {"instance-type": "`+name[12:]+`.large"}}}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("AEMM_MOCK_IP_COUNT", "-1")
	t.Setenv("AEMM_SPOT_ACTION", "stop")
	const want = "# From amazon-ec2-metadata-mock, by mock-ec2-metadata import.\nec2:\n  instance_type: json.large\nevents:\n  - spot: hibernate\n"
	if got := run(t, "import", "--aemm", "--quiet", "--", "spot", "-a", "hibernate"); got.code != 0 || got.stdout != want || got.stderr != "" {
		t.Errorf("%+v", got)
	}
	if got := run(t, "import", "--aemm", "--", "-c", "missing.json"); got.code != 1 || got.stderr != "mock-ec2-metadata: missing.json: cannot be read: no such file or directory\n" {
		t.Errorf("%+v", got)
	}
}

func TestImport_RefusesSourcesThatExcludeEachOther(t *testing.T) {
	const help = "\nmock-ec2-metadata import --help shows the commands and flags.\n"
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--aemm", "--from-imds", "--", "spot"}, "--aemm and --from-imds exclude each other; leave one out"},
		{[]string{"--aemm", "f.json", "--", "spot"}, `--aemm reads the file that the line behind -- names; leave "f.json" out`},
		{[]string{"--aemm", "--as", "ec2", "--", "spot"}, "--aemm and --as ec2 exclude each other; leave one out"},
		{[]string{"--from-imds", "--as", "ec2"}, "--from-imds and --as exclude each other; leave one out"},
		{[]string{"--from-imds=http://127.0.0.1/", "f.json"}, `--from-imds reads no files; leave "f.json" out`},
		{[]string{"--from-imds", "http://203.0.113.1/"}, "--from-imds: 203.0.113.1 is not an address of this machine or of a private network; to ask it all the same, add --force"},
		{[]string{"--from-imds", "https://127.0.0.1/"}, `--from-imds: "https://127.0.0.1/" is not the URL of a metadata service; write it like http://169.254.169.254/`},
		{[]string{"--force"}, "--force needs --output or --from-imds"},
	} {
		got := run(t, append([]string{"import"}, tc.args...)...)
		if got.code != 2 || got.stderr != "mock-ec2-metadata: import: "+tc.want+help {
			t.Errorf("%q:\n%d %s\nwant %s", tc.args, got.code, got.stderr, tc.want)
		}
	}
}

func TestImport_UnreachableServiceIsNamed(t *testing.T) {
	isolate(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	want := "mock-ec2-metadata: " + address + ": cannot be asked: dial tcp " + address + ": connect: connection refused; " +
		"run it on the instance, or name the service: --from-imds http://HOST:PORT/\n"
	if got := run(t, "import", "--from-imds", "http://"+address); got.code != 1 || got.stderr != want {
		t.Errorf("%d %s\nwant %s", got.code, got.stderr, want)
	}
}
