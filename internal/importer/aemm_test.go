package importer

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// aemmYAML imports one file of AEMM, and returns the configuration without the metadata that keys have made, and the notes.
func aemmYAML(t *testing.T, content string) (string, []string) {
	t.Helper()
	return importYAML(t, Options{}, Input{Name: "aemm.json", Content: []byte(content)})
}

// importYAML imports inputs of one instance. It leaves out metadata at paths that EC2 has, which most tests do not look at.
func importYAML(t *testing.T, opt Options, inputs ...Input) (string, []string) {
	t.Helper()
	r, err := Read(inputs, opt)
	if err != nil {
		t.Fatal(err)
	}
	return resultYAML(t, r, opt)
}

func resultYAML(t *testing.T, r *Result, opt Options) (string, []string) {
	t.Helper()
	for _, in := range r.Instances {
		in.Keys = slices.DeleteFunc(in.Keys, func(k Key) bool { return k.Path[0] == "metadata" })
	}
	doc, err := r.Merge(opt)
	if err != nil {
		t.Fatal(err)
	}
	var notes []string
	for _, n := range r.AllNotes() {
		notes = append(notes, n.String())
	}
	text, err := YAML(r.Source, doc)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(text), "\n")
	return body, notes
}

// leafOf returns the override of a path, "absent" without one.
func leafOf(t *testing.T, in *Instance, path string) string {
	t.Helper()
	if i := in.index([]string{"metadata", path}); i >= 0 {
		return in.Keys[i].Value.Value
	}
	return "absent"
}

// readOne imports one input with one instance.
func readOne(t *testing.T, content string) *Instance {
	t.Helper()
	r, err := Read([]Input{{Name: "in", Content: []byte(content)}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Instances) != 1 {
		t.Fatalf("%d instances, not one", len(r.Instances))
	}
	return r.Instances[0]
}

func TestAEMM_FileBecomesKeysAndEvents(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{
			"values, a notice and IMDSv2",
			`{"metadata": {"values": {"instance-type": "m4.large", "tags-instance-name": "no"}}, "spot": {"action": "stop"}, "mock-delay-sec": 30, "imdsv2": true}`,
			`ec2:
  instance_type: m4.large
  tags:
    Name: "no"
  metadata_options:
    http_tokens: required
events:
  - spot: stop
    in: 30s
    first_clients: 2
`,
		},
		{
			"the interface is device 0, and YAML in capitals is the same",
			`METADATA:
  Values:
    mac: 0a:00:00:00:00:07
    mac-local-ipv4s: |-
      10.2.0.10
      10.2.0.11
    mac-public-ipv4s: 203.0.113.7
    mac-subnet-ipv4-cidr-block: 10.2.0.0/24
    mac-vpc-ipv4-cidr-blocks: 10.2.0.0/16
    mac-security-groups: web
    mac-security-group-ids: sg-0000000000000000a
    mac-owner-id: "012345678901"
    placement-availability-zone: eu-west-1b
    placement-region: eu-west-1
    ami-launch-index: 3
    product-codes: abc
`,
			`aws:
  account_id: "012345678901"
  availability_zone: eu-west-1b
ec2:
  local_ipv4s: [10.2.0.10, 10.2.0.11]
  public_ipv4: 203.0.113.7
  mac: 0a:00:00:00:00:07
  vpc_ipv4_cidr_blocks: [10.2.0.0/16]
  subnet_ipv4_cidr_block: 10.2.0.0/24
  security_groups: [web]
  security_group_ids: [sg-0000000000000000a]
  ami_launch_index: 3
  product_codes: [abc]
`,
		},
		{
			"the document fills what the metadata leaves open",
			`{"dynamic": {"values": {"fws-instance-monitoring": "enabled", "instance-identity-pkcs": "QUJD", "instance-identity-document":
			 {"accountId": "012345678901", "imageId": "ami-00000000000000001", "availabilityzone": "us-west-2a", "privateIp": "10.3.0.9",
			  "marketplaceProductCodes": ["x1"], "pendingTime": "2024-05-06T07:08:09Z", "architecture": "arm64", "kernelId": null}}}}`,
			`aws:
  account_id: "012345678901"
  availability_zone: us-west-2a
ec2:
  local_ipv4: 10.3.0.9
  image_id: ami-00000000000000001
  architecture: arm64
  monitoring: enabled
  pending_time: "2024-05-06T07:08:09Z"
  product_codes: [x1]
`,
		},
		{
			"a role and user data",
			`{"metadata": {"values": {"iam-security-credentials-role": "web", "iam-info": {"InstanceProfileArn": "arn:aws-cn:iam::012345678901:instance-profile/p"}}},
			  "userdata": {"values": {"userdata": "IyEvYmluL3NoCg=="}}}`,
			`credentials:
  iam_role: arn:aws-cn:iam::012345678901:role/web # guessed: the role's path is not in the input
  mock: true # made-up credentials; for real ones write source_profile: PROFILE instead
ec2:
  user_data: |
    #!/bin/sh
`,
		},
		{
			"IMDSv2 is off",
			`{"imdsv2": false, "metadata": {"values": {"instance-type": "m4.large"}}}`,
			"ec2:\n  instance_type: m4.large\n",
		},
		{
			"a port alone listens as AEMM does",
			`{"server": {"port": "1550"}}`,
			"server:\n  listen: [\"0.0.0.0:1550\"]\n",
		},
		{
			"a host alone has AEMM's port",
			`{"server": {"hostname": "localhost"}}`,
			"server:\n  listen: [\"localhost:1338\"]\n",
		},
		{
			"values of the Helm chart, of which empty ones are not set",
			`aemm: {mockDelaySec: 120, mockIPCount: 5, imdsv2: true, rebalanceDelaySec: 0, mockTriggerTime: "", spot: {action: terminate, rebalanceRecTime: ""}, events: {code: ""}}`,
			`ec2:
  metadata_options:
    http_tokens: required
events:
  - spot: terminate
    in: 120s
    first_clients: 5
`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, _ := aemmYAML(t, tc.in)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAEMM_PathsMoveWithTheirValues(t *testing.T) {
	const macs = "meta-data/network/interfaces/macs/"
	for _, tc := range []struct{ name, in, path, want string }{
		{"the default path of a value without a key", `{"metadata": {"values": {"kernel-id": "aki-1"}}}`, "meta-data/kernel-id", "aki-1"},
		{"a path of the file", `{"metadata": {"paths": {"kernel-id": "/latest/meta-data/my/kernel"}, "values": {"kernel-id": "aki-1"}}}`, "meta-data/my/kernel", "aki-1"},
		{"a path of the file for monitoring", `{"dynamic": {"paths": {"fws-instance-monitoring": "/latest/dynamic/my"}, "values": {"fws-instance-monitoring": "enabled"}}}`, "dynamic/my", "enabled"},
		{
			"iam/info of a profile that is not named as its role", `{"metadata": {"values": {"iam-security-credentials-role": "web", "iam-info": {"InstanceProfileArn": "arn:aws:iam::012345678901:instance-profile/p"}}}}`,
			"meta-data/iam/info", "{\n  \"InstanceProfileArn\" : \"arn:aws:iam::012345678901:instance-profile/p\"\n}",
		},
		{"iam/info of a profile that is", `{"metadata": {"values": {"iam-info": {"InstanceProfileArn": "arn:aws:iam::012345678901:instance-profile/p"}}}}`, "meta-data/iam/info", "absent"},
		{"a path with a slash at its end", `{"metadata": {"paths": {"kernel-id": "/latest/meta-data/my/kernel/"}, "values": {"kernel-id": "aki-1"}}}`, "meta-data/my/kernel", "aki-1"},
		{"the hardware address", `{"metadata": {"values": {"mac": "0a:00:00:00:00:07", "mac-subnet-id": "subnet-1"}}}`, macs + "0a:00:00:00:00:07/subnet-id", "subnet-1"},
		{"the hardware address in a path of the file", `{"metadata": {"paths": {"mac-subnet-id": "/latest/meta-data/network/interfaces/macs/0e:49:61:0f:c3:11/subnet-id"},
			"values": {"mac": "0a:00:00:00:00:07", "mac-subnet-id": "subnet-1"}}}`, macs + "0a:00:00:00:00:07/subnet-id", "subnet-1"},
		{"the hardware address of the paths", `{"metadata": {"paths": {"mac-subnet-id": "/latest/meta-data/network/interfaces/macs/0a:00:00:00:00:08/subnet-id"},
			"values": {"mac-subnet-id": "subnet-1", "mac-owner-id": "x"}}}`, macs + "0a:00:00:00:00:08/owner-id", "x"},
		{"two hardware addresses in paths of the file", `{"metadata": {"paths": {"mac-subnet-id": "/latest/meta-data/network/interfaces/macs/0a:00:00:00:00:08/subnet-id",
			"mac-vpc-id": "/latest/meta-data/network/interfaces/macs/0a:00:00:00:00:09/vpc-id"}, "values": {"mac-subnet-id": "subnet-1", "mac-vpc-id": "vpc-1", "mac-owner-id": "x"}}}`, macs + "0a:00:00:00:00:08/subnet-id", "subnet-1"},
		{"a value without a place beside them", `{"metadata": {"paths": {"mac-subnet-id": "/latest/meta-data/network/interfaces/macs/0a:00:00:00:00:08/subnet-id",
			"mac-vpc-id": "/latest/meta-data/network/interfaces/macs/0a:00:00:00:00:09/vpc-id"}, "values": {"mac-owner-id": "x"}}}`, macs + "0a:00:00:00:00:09/owner-id", "absent"},
		{
			"the public address", `{"metadata": {"values": {"mac": "0a:00:00:00:00:07", "public-ipv4": "203.0.113.7", "mac-ipv4-associations": "10.0.0.9"}}}`,
			macs + "0a:00:00:00:00:07/ipv4-associations/203.0.113.7", "10.0.0.9",
		},
		{
			"the accelerator", `{"metadata": {"values": {"elastic-inference-associations": "eia-1", "elastic-inference-accelerator": {"v": "<&>"}}}}`,
			"meta-data/elastic-inference/associations/eia-1", `{"v":"<&>"}`,
		},
		{
			"the list of accelerators is the directory's", `{"metadata": {"values": {"elastic-inference-associations": "eia-1", "elastic-inference-accelerator": {"v": 1}}}}`,
			"meta-data/elastic-inference/associations", "absent",
		},
		{"a name that AEMM does not have, with a path", `{"metadata": {"paths": {"more": "/latest/meta-data/more"}, "values": {"more": "x"}}}`, "meta-data/more", "x"},
		{"a name that AEMM does not have, without a path", `{"metadata": {"values": {"more": "x"}}}`, "meta-data/more", "absent"},
		{
			"networks that contradict the address", `{"metadata": {"values": {"mac": "0a:00:00:00:00:07", "local-ipv4": "10.0.0.9", "mac-local-ipv4s": "10.0.0.9", "mac-subnet-ipv4-cidr-block": "192.0.2.0/24"}}}`,
			macs + "0a:00:00:00:00:07/subnet-ipv4-cidr-block", "192.0.2.0/24",
		},
		{
			"iam/info with an id", `{"metadata": {"values": {"iam-info": {"code": "Success", "InstanceProfileArn": "arn:aws:iam::012345678901:instance-profile/p", "InstanceProfileId": "AIPX"}}}}`,
			"meta-data/iam/info", "{\n  \"Code\" : \"Success\",\n  \"InstanceProfileArn\" : \"arn:aws:iam::012345678901:instance-profile/p\",\n  \"InstanceProfileId\" : \"AIPX\"\n}",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := leafOf(t, readOne(t, tc.in), tc.path); got != tc.want {
				t.Errorf("%s is %q, not %q", tc.path, got, tc.want)
			}
		})
	}
}

func TestAEMM_ContradictingNetworksAreNoKeys(t *testing.T) {
	got, _ := aemmYAML(t, `{"metadata": {"values": {"mac": "0a:00:00:00:00:07", "mac-local-ipv4s": "10.0.0.9", "mac-subnet-ipv4-cidr-block": "192.0.2.0/24", "mac-vpc-ipv4-cidr-block": "192.0.2.0/24"}}}`)
	if strings.Contains(got, "cidr") {
		t.Errorf("the networks are keys:\n%s", got)
	}
}

func TestAEMM_SaysWhatItCannotTakeOver(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{
			"credentials", `{"metadata": {"values": {"iam-security-credentials": {"SecretAccessKey": "s"}}}}`,
			"lost: metadata.values.iam-security-credentials: credentials are never taken over; made-up ones take their place",
		},
		{"an access key in a tag", `{"metadata": {"values": {"tags-instance-name": "AKIAIOSFODNN7EXAMPLE"}}}`, "lost: meta-data/tags/instance/Name: looks like a secret"},
		{"a deadline", `{"events": {"code": "system-reboot", "not-before-deadline": "2026-12-01T02:00:00Z"}}`, "lost: events.not-before-deadline: EC2 has no such field in metadata"},
		{"a moving time", `{"spot": {"action": "stop"}}`, "note: spot.time: amazon-ec2-metadata-mock moves the time with each request; here it is fixed, as on EC2"},
		{
			"no events", `{"mock-delay-sec": 5}`,
			"note: events: the file names neither spot nor events, so there are none; amazon-ec2-metadata-mock itself mocks all without a subcommand: --aemm -- -c FILE",
		},
		{
			"two accounts", `{"metadata": {"values": {"mac-owner-id": "111111111111"}}, "dynamic": {"values": {"instance-identity-document": {"accountId": "222222222222"}}}}`,
			"guessed: accountId: 222222222222 in the identity document and 111111111111 in the metadata, which counts",
		},
		{"no client", `{"spot": {"action": "stop"}, "mock-ip-count": 0}`, "skipped: mock-ip-count: 0: no client sees an event, so there is none"},
		{
			"an association without an address", `{"metadata": {"values": {"mac-ipv4-associations": "10.0.0.9"}}}`,
			"lost: metadata.values.mac-ipv4-associations: there is no value for its path; set metadata.paths.mac-ipv4-associations",
		},
		{
			"the card of an interface without its address", `{"metadata": {"values": {"mac-network-interface-card-index": "0"}}}`,
			"lost: metadata.values.mac-network-interface-card-index: there is no directory for it without a hardware address; set metadata.values.mac",
		},
		{
			"another device without its address", `{"metadata": {"values": {"mac-device-number": "1"}}}`,
			"lost: metadata.values.mac-device-number: there is no directory for it without a hardware address; set metadata.values.mac",
		},
		{
			"a network that contradicts the address", `{"metadata": {"values": {"local-ipv4": "10.0.0.9", "mac-vpc-ipv4-cidr-block": "192.0.2.0/24"}}}`,
			"lost: metadata.values.mac-vpc-ipv4-cidr-block: there is no directory for it without a hardware address; set metadata.values.mac",
		},
		{"another path of user data", `{"userdata": {"paths": {"userdata": "/latest/my"}}}`, "lost: userdata.paths.userdata: here it is always at user-data"},
		{"a ConfigMap", `{"aemm": {"imdsv2": true}, "configMap": "c"}`, "note: configMap: the file in c counts, too; import it with this one"},
		{"arguments", `{"aemm": {"imdsv2": true}, "arguments": ["spot", "-a", "stop"]}`, "note: arguments: to take the arguments over: --aemm -- spot -a stop"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			yaml, notes := aemmYAML(t, tc.in)
			if !slices.Contains(notes, tc.want) {
				t.Errorf("no note %q, but %q", tc.want, notes)
			}
			if strings.Contains(yaml, "AKIA") {
				t.Errorf("a secret is written:\n%s", yaml)
			}
		})
	}
}

func TestAEMM_KeysNeedNoHardwareAddress(t *testing.T) {
	got, notes := aemmYAML(t, `{"spot": {"action": "stop", "time": "2026-12-01T02:00:00Z"}, "rebalance-delay-sec": 0, "metadata": {"values": {
		"mac-device-number": "0", "mac-owner-id": "012345678901", "mac-subnet-id": "subnet-1", "mac-local-ipv4s": "10.0.0.9", "mac-public-ipv4s": "203.0.113.7",
		"mac-ipv4-associations": "10.0.0.9", "mac-public-hostname": "p", "mac-vpc-ipv4-cidr-block": "10.0.0.0/16", "mac-vpc-ipv4-cidr-blocks": "10.0.0.0/16\n10.1.0.0/16"}}}`)
	const want = `aws:
  account_id: "012345678901"
ec2:
  local_ipv4: 10.0.0.9
  public_ipv4: 203.0.113.7
  public_hostname: p
  subnet_id: subnet-1
  vpc_ipv4_cidr_blocks: [10.0.0.0/16, 10.1.0.0/16]
`
	if !strings.HasPrefix(got, want) || len(notes) > 0 {
		t.Errorf("%s\nnotes %q", got, notes)
	}
	if got, _ := aemmYAML(t, `{"metadata": {"values": {"mac-device-number": "1", "mac-subnet-id": "subnet-1"}}}`); got != "ec2:\n  subnet_id: subnet-1\n" {
		t.Errorf("of device 1: %s", got)
	}
}

func TestAEMM_IMDSv2IsABooleanInAnyForm(t *testing.T) {
	for text, want := range map[string]bool{"true": true, `"TRUE"`: true, "1": true, `"t"`: true, "false": false, "0": false, `""`: false} {
		if got, _ := aemmYAML(t, `{"imdsv2": `+text+`}`); (got != "" && got != "{}\n") != want {
			t.Errorf("%s: %q", text, got)
		}
	}
}

func TestAEMM_UnknownSettingsAreCounted(t *testing.T) {
	r, err := Read([]Input{{Name: "f", Content: []byte(`{"imdsv2": true, "config-file": "x", "save-config-to-file": true, "metadata": {"values": {"more": "x", "mac": "0a:00:00:00:00:07"}}}`)}}, Options{})
	if err != nil || r.NotNeeded != 3 {
		t.Errorf("%d settings are not needed, not 3 (%v)", r.NotNeeded, err)
	}
}

func TestAEMM_RefusesWhatItRefuses(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"a text for a block", `{"spot": "stop"}`, "f: spot: a single value, and amazon-ec2-metadata-mock wants a block of settings"},
		{"a number for values", `{"metadata": {"values": 5}}`, "f: metadata.values: a single value, and amazon-ec2-metadata-mock wants a block of settings"},
		{"long user data", `{"userdata": {"values": {"userdata": "` + strings.Repeat("AAAA", 5462) + `"}}}`, "f: userdata.values.userdata: 16386 bytes; EC2 takes at most 16384"},
		{"an action", `{"spot": {"action": "reboot"}}`, `f: spot.action: "reboot" is none of terminate, stop, hibernate; amazon-ec2-metadata-mock refuses it, too`},
		{"a spot time", `{"spot": {"time": "soon"}}`, `f: spot.time: "soon" is no time; write e.g. 2026-12-01T02:00:00Z`},
		{"a rebalance time", `{"spot": {"rebalance-rec-time": "soon"}}`, `f: spot.rebalance-rec-time: "soon" is no time; write e.g. 2026-12-01T02:00:00Z`},
		{"a code", `{"events": {"code": "x"}}`, `f: events.code: "x" is no code of a maintenance event; amazon-ec2-metadata-mock refuses it, too`},
		{"a state", `{"events": {"state": "x"}}`, `f: events.state: "x" is none of active, completed, canceled; amazon-ec2-metadata-mock refuses it, too`},
		{"a delay", `{"mock-delay-sec": "x"}`, `f: mock-delay-sec: "x" is no number of seconds`},
		{"a long delay", `{"mock-delay-sec": 31622401}`, `f: mock-delay-sec: 31622401 seconds; an event here begins after at most 31622400`},
		{"a trigger", `{"mock-trigger-time": "x"}`, `f: mock-trigger-time: "x" is no time; write e.g. 2026-12-01T02:00:00Z`},
		{"a count", `{"mock-ip-count": "x"}`, `f: mock-ip-count: "x" is no number of clients`},
		{"user data", `{"userdata": {"values": {"userdata": "***"}}}`, `f: userdata.values.userdata: not base64: illegal base64 data at input byte 0; amazon-ec2-metadata-mock would not start`},
		{"a list", `{"metadata": {"values": {"mac": ["a"]}}}`, `f: metadata.values.mac: a list, and amazon-ec2-metadata-mock wants a text`},
		{"a port", `{"server": {"port": "99999"}}`, `f: server.port: 0.0.0.0:99999 is no address to listen on; write a host name or an address, and a port from 0 to 65535`},
		{"another program's list", `[{"spot": {}}]`, `f: a list of what is not an instance; give the whole output of aws ec2 describe-instances`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Read([]Input{{Name: "f", Content: []byte(tc.in)}}, Options{})
			if got := errText(err); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAEMM_TwoFilesMustNotDisagree(t *testing.T) {
	files := []Input{{Name: "a", Content: []byte(`{"spot": {"action": "stop"}}`)}, {Name: "b", Content: []byte(`{"spot": {"action": "terminate"}}`)}}
	_, err := Read(files, Options{})
	if want := "b: spot.action: another value than in a; import them one by one"; errText(err) != want {
		t.Errorf("got %q, not %q", errText(err), want)
	}
	files[1].Content = []byte(`{"mock-delay-sec": 5, "spot": {"action": "stop"}}`)
	ab, _ := importYAML(t, Options{}, files...)
	slices.Reverse(files)
	if ba, _ := importYAML(t, Options{}, files...); ab != ba {
		t.Errorf("the order of the files matters:\n%s\n%s", ab, ba)
	}
}
