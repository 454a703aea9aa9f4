package importer

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// instanceData is as cloud-init 22.4 writes it, with invented values. ALIASES are - or _.
const instanceData = `{
 "_doc": "x",
 "base64_encoded_keys": ["ds/meta-data/ami-manifest-path"],
 "ds": {
  "_doc": "y",
  "dynamic": {"instance-identity": {"document": {"accountId": "012345678901", "architecture": "x86_64", "pendingTime": "2024-05-06T07:08:09Z"}, "pkcs7": "QUJD", "signature": "REVG"}},
  "meta-data": {
   "ami-id": "ami-00000000000000001",
   "ami-manifest-path": "KHVua25vd24p",
   "block-device-mapping": {"ami": "xvda", "ebs1": "sdb", "root": "/dev/xvda"},
   "hostname": "ip-10-4-0-9.eu-west-1.compute.internal",
   "iam": {"info": {"Code": "Success", "InstanceProfileArn": "arn:aws:iam::012345678901:instance-profile/web", "InstanceProfileId": "AIPX", "LastUpdated": "2024-05-06T07:08:10Z"}},
   "identity-credentials": {"ec2": {"info": {"AccountId": "012345678901", "Code": "Success"}}},
   "instance-id": "i-0aaaaaaaaaaaaaaa1",
   "instance-type": "t3.small",
   "local-ipv4": "10.4.0.9",
   "mac": "0a:00:00:00:00:09",
   "network": {"interfaces": {"macs": {"0a:00:00:00:00:09": {"device-number": "0", "interface-id": "eni-00000000000000001", "ipv6s": "",
     "local-ipv4s": ["10.4.0.9", "10.4.0.10"], "mac": "0a:00:00:00:00:09", "security-groups": "default",
     "subnet-ipv4-cidr-block": "10.4.0.0/24", "vpc-ipv4-cidr-blocks": ["10.4.0.0/16", "10.5.0.0/16"]}}}},
   "placement": {"availability-zone": "eu-west-1c", "region": "eu-west-1"},
   "public-keys": {"my key": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me"]},
   "services": {"domain": "amazonaws.com", "partition": "aws"},
   "tags": {"instance": {"Empty": "", "Name": "null"}}
  }
 },
 "merged_cfg": {"users": [{"passwd": "hunter2"}]},
 "sensitive_keys": ["userdata"],
 "sys_info": {"uname": ["x"]},
 "v1": {"cloud_name": "aws", "cloud-name": "aws", "region": "eu-west-1"},
 "userdata": "#!/bin/sh\necho hi\n",
 "vendordata": "hunter2"
}`

func TestCloudInit_InstanceDataBecomesKeys(t *testing.T) {
	got, notes := importYAML(t, Options{UserData: true}, Input{Name: "f", Content: []byte(instanceData)})
	const want = `credentials:
  iam_role: arn:aws:iam::012345678901:role/web # guessed: the input has the name of the instance profile alone
  mock: true # made-up credentials; for real ones write source_profile: PROFILE instead
aws:
  account_id: "012345678901"
  availability_zone: eu-west-1c
  partition: aws
  domain: amazonaws.com
ec2:
  instance_id: i-0aaaaaaaaaaaaaaa1
  image_id: ami-00000000000000001
  instance_type: t3.small
  architecture: x86_64
  hostname: ip-10-4-0-9.eu-west-1.compute.internal
  local_ipv4s: [10.4.0.9, 10.4.0.10]
  mac: 0a:00:00:00:00:09
  interface_id: eni-00000000000000001
  vpc_ipv4_cidr_blocks: [10.4.0.0/16, 10.5.0.0/16]
  subnet_ipv4_cidr_block: 10.4.0.0/24
  security_groups: [default]
  pending_time: "2024-05-06T07:08:09Z"
  key_pairs:
    - name: my key
      public_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me
  block_devices:
    ami: xvda
    ebs1: sdb
    root: /dev/xvda
  tags:
    Empty: ""
    Name: "null"
  user_data: |
    #!/bin/sh
    echo hi
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(notes) > 0 {
		t.Errorf("notes %q", notes)
	}
}

func TestCloudInit_HyphensAndUnderscoresAreAlike(t *testing.T) {
	want, _ := importYAML(t, Options{}, Input{Name: "f", Content: []byte(instanceData)})
	in := strings.NewReplacer("meta-data", "meta_data", "ami-id", "ami_id", "ami-manifest-path", "ami_manifest_path", "block-device-mapping", "block_device_mapping",
		"instance-id\"", "instance_id\"", "instance-type", "instance_type", "local-ipv4", "local_ipv4", "device-number", "device_number", "interface-id", "interface_id",
		"security-groups", "security_groups", "subnet-ipv4-cidr-block", "subnet_ipv4_cidr_block", "vpc-ipv4-cidr-blocks", "vpc_ipv4_cidr_blocks",
		"availability-zone", "availability_zone", "public-keys", "public_keys", "instance-identity", "instance_identity").Replace(instanceData)
	if got, _ := importYAML(t, Options{}, Input{Name: "f", Content: []byte(in)}); got != want {
		t.Error(cmp.Diff(want, got))
	}
	both := strings.Replace(instanceData, `"ami-id": "ami-00000000000000001"`, `"ami-id": "ami-00000000000000001", "ami_id": "ami-00000000000000002"`, 1)
	if got, _ := importYAML(t, Options{}, Input{Name: "f", Content: []byte(both)}); got != want {
		t.Error("the underscore counts:", cmp.Diff(want, got))
	}
}

func TestCloudInit_PartsOfItAreEnough(t *testing.T) {
	part := func(name string) string {
		_, rest, _ := strings.Cut(instanceData, `"ds": `)
		ds, _, _ := strings.Cut(rest, ",\n \"merged_cfg\"")
		if name == "ds" {
			return ds
		}
		return `{"v1": {"cloud_name": "aws"}, "ds": ` + ds + `}`
	}
	for _, name := range []string{"ds", "with v1"} {
		in := readOne(t, part(name))
		if in.ID != "i-0aaaaaaaaaaaaaaa1" || in.text("ec2.image_id") != "ami-00000000000000001" {
			t.Errorf("%s: id %s, keys %v", name, in.ID, in.Keys)
		}
	}
}

func TestCloudInit_LeavesAreLinesAndDocuments(t *testing.T) {
	in := readOne(t, instanceData)
	for path, want := range map[string]string{
		"meta-data/ami-manifest-path": "(unknown)",
		"meta-data/iam/info": "{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : \"2024-05-06T07:08:10Z\",\n  \"InstanceProfileArn\" : \"arn:aws:iam::012345678901:instance-profile/web\",\n" +
			"  \"InstanceProfileId\" : \"AIPX\"\n}",
		"meta-data/network/interfaces/macs/0a:00:00:00:00:09/vpc-ipv4-cidr-blocks": "10.4.0.0/16\n10.5.0.0/16",
		"meta-data/network/interfaces/macs/0a:00:00:00:00:09/ipv6s":                "absent",
		"meta-data/identity-credentials/ec2/info":                                  "absent",
		"dynamic/instance-identity/pkcs7":                                          "absent",
		"dynamic/instance-identity/document":                                       "{\n  \"accountId\" : \"012345678901\",\n  \"architecture\" : \"x86_64\",\n  \"pendingTime\" : \"2024-05-06T07:08:09Z\"\n}",
	} {
		if got := leafOf(t, in, path); got != want {
			t.Errorf("%s is %q, not %q", path, got, want)
		}
	}
}

func TestCloudInit_UserDataIsLeftOutUnlessAsked(t *testing.T) {
	got, notes := importYAML(t, Options{}, Input{Name: "f", Content: []byte(instanceData)})
	if strings.Contains(got, "user_data") || strings.Contains(got, "hunter2") {
		t.Errorf("it has user data:\n%s", got)
	}
	if want := "i-0aaaaaaaaaaaaaaa1: lost: user-data: user data, 18 bytes; --user-data takes it over"; !slices.Contains(notes, want) {
		t.Errorf("no note %q, but %q", want, notes)
	}
}

func TestCloudInit_SaysWhatIsRedacted(t *testing.T) {
	in := strings.NewReplacer(`"t3.small"`, `"redacted for non-root user"`, `"10.4.0.9",`, `"redacted for non-root user",`, `"#!/bin/sh\necho hi\n"`, `"<redacted for non-root user> file:/x"`).Replace(instanceData)
	got, notes := importYAML(t, Options{UserData: true}, Input{Name: "f", Content: []byte(in)})
	if strings.Contains(got, "redacted") || strings.Contains(got, "instance_type") {
		t.Errorf("redacted values are written:\n%s", got)
	}
	for _, want := range []string{
		"i-0aaaaaaaaaaaaaaa1: lost: ds.meta-data.instance-type: redacted, the first of 2; run cloud-init query --all as root",
		"i-0aaaaaaaaaaaaaaa1: lost: userdata: redacted; run cloud-init query --all as root",
	} {
		if !slices.Contains(notes, want) {
			t.Errorf("no note %q, but %q", want, notes)
		}
	}
}

func TestCloudInit_EventsOfTheServiceAreNotes(t *testing.T) {
	in := strings.Replace(instanceData, `"ami-id"`, `"spot": {"instance-action": {"action": "stop", "time": "2024-05-06T07:08:09Z"}, "termination-time": "2024-05-06T07:08:09Z"},
		"autoscaling": {"target-lifecycle-state": "InService"},
		"events": {"recommendations": {"rebalance": {"noticeTime": "2024-05-06T07:08:09Z"}}, "maintenance": {"history": "[]", "scheduled": ["[ {", "\"NotBefore\" : \"01 Dec 2026 02:00:00 GMT\",",
		"\"Code\" : \"system-reboot\", \"Description\" : \"scheduled reboot\", \"EventId\" : \"instance-event-0123456789abcdef0\", \"NotAfter\" : \"1 Dec 2026 04:00:00 GMT\", \"State\" : \"active\" } ]"]}},
		"ami-id"`, 1)
	got, notes := importYAML(t, Options{}, Input{Name: "f", Content: []byte(in)})
	const want = `events:
  - maintenance: system-reboot
    not_before: "2026-12-01T02:00:00Z"
    not_after: "2026-12-01T04:00:00Z"
    description: scheduled reboot
    event_id: instance-event-0123456789abcdef0
`
	if _, events, _ := strings.Cut(got, "events:\n"); "events:\n"+events != want {
		t.Errorf("events\n%s", events)
	}
	for _, want := range []string{
		"i-0aaaaaaaaaaaaaaa1: note: spot/instance-action: stop at 2024-05-06T07:08:09Z is announced; to simulate one: mock-ec2-metadata event spot stop",
		"i-0aaaaaaaaaaaaaaa1: note: events/recommendations/rebalance: a signal was sent; to simulate one: mock-ec2-metadata event rebalance",
		"i-0aaaaaaaaaaaaaaa1: note: autoscaling/target-lifecycle-state: it is InService; to simulate it: mock-ec2-metadata event asg InService",
	} {
		if !slices.Contains(notes, want) {
			t.Errorf("no note %q, but %q", want, notes)
		}
	}
	for _, path := range []string{"meta-data/spot/instance-action", "meta-data/spot/termination-time", "meta-data/autoscaling/target-lifecycle-state", "meta-data/events/maintenance/scheduled"} {
		if leaf := leafOf(t, readOne(t, in), path); leaf != "absent" {
			t.Errorf("%s is %q", path, leaf)
		}
	}
}

func TestCloudInit_HistoryLeavesTheListOfEventsAsItIs(t *testing.T) {
	const list = `[{"NotBefore": "01 Dec 2026 02:00:00 GMT", "Code": "system-reboot", "State": "active"}]`
	for _, tc := range []struct{ scheduled, history, wantScheduled, wantHistory string }{
		{list, "[]", "absent", "absent"},
		{list, "", "absent", "absent"},
		{list, "[{}]", list, "[{}]"},
		{"[]", "[]", "[]", "[]"},
		{"[{}]", "[]", "[{}]", "[]"},
		{strings.Replace(list, "active", "completed", 1), "[]", strings.Replace(list, "active", "completed", 1), "[]"},
		{strings.Replace(list, "system-reboot", "x", 1), "[]", strings.Replace(list, "system-reboot", "x", 1), "[]"},
		{strings.Replace(list, `"State"`, `"NotAfter": "01 Dec 2026 02:00:00 GMT", "State"`, 1), "[]", strings.Replace(list, `"State"`, `"NotAfter": "01 Dec 2026 02:00:00 GMT", "State"`, 1), "[]"},
		{strings.Replace(list, `"State"`, `"NotAfter": "soon", "State"`, 1), "[]", strings.Replace(list, `"State"`, `"NotAfter": "soon", "State"`, 1), "[]"},
		{strings.Replace(list, `"State"`, `"EventId": "no id", "State"`, 1), "[]", strings.Replace(list, `"State"`, `"EventId": "no id", "State"`, 1), "[]"},
	} {
		s := Service{Leaves: map[string]string{"meta-data/events/maintenance/scheduled": tc.scheduled, "meta-data/events/maintenance/history": tc.history}}
		in := s.Read(Options{}).Instances[0]
		scheduled, history := leafOf(t, in, "meta-data/events/maintenance/scheduled"), leafOf(t, in, "meta-data/events/maintenance/history")
		if scheduled != tc.wantScheduled || history != tc.wantHistory {
			t.Errorf("%s and %s are %q and %q", tc.scheduled, tc.history, scheduled, history)
		}
	}
}

func TestCloudInit_RefusesOtherClouds(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"Azure", `{"v1": {"cloud_name": "azure"}, "ds": {"meta_data": {}}}`, "f: v1.cloud_name: azure; only the instance data of AWS has what EC2 has"},
		{"another spelling", `{"v1": {"cloud-name": "gce"}}`, "f: v1.cloud_name: gce; only the instance data of AWS has what EC2 has"},
		{"no metadata", `{"v1": {"cloud_name": "aws"}, "ds": {}}`, "f: ds.meta-data: missing, or no object; run cloud-init query --all as root"},
		{"wrong base64", `{"base64_encoded_keys": ["ds/meta_data/x"], "ds": {"meta_data": {"x": "***"}}}`, "f: ds.meta_data.x: in base64_encoded_keys, but not base64: illegal base64 data at input byte 0"},
		{"a list of objects", `{"ds": {"meta_data": {"x": [{}]}}}`, "f: ds.meta_data.x: a list of what is no text"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Read([]Input{{Name: "f", Content: []byte(tc.in)}}, Options{})
			if got := errText(err); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestCloudInit_SameInstanceTwiceIsOne(t *testing.T) {
	two := []Input{{Name: "a", Content: []byte(instanceData)}, {Name: "b", Content: []byte(instanceData)}}
	if r, err := Read(two, Options{}); err != nil || len(r.Instances) != 1 {
		t.Errorf("%v, %v", r, err)
	}
	two[1].Content = []byte(strings.Replace(instanceData, "t3.small", "t3.large", 1))
	_, err := Read(two, Options{})
	if want := "b: i-0aaaaaaaaaaaaaaa1 is in another input, too, with other values; import them one by one"; errText(err) != want {
		t.Errorf("got %s", errText(err))
	}
}

func TestCloudInit_NamesThatAreDataStay(t *testing.T) {
	in := strings.Replace(instanceData, `"Name": "null"`, `"Cost_Center": "x"`, 1)
	got, notes := importYAML(t, Options{}, Input{Name: "f", Content: []byte(in)})
	if !strings.Contains(got, "Cost_Center: x") {
		t.Errorf("the tag has another name:\n%s", got)
	}
	if want := "i-0aaaaaaaaaaaaaaa1: guessed: ds.meta-data.tags.instance.Cost_Center: cloud-init may have written _ for -; it is taken as it is"; !slices.Contains(notes, want) {
		t.Errorf("no note %q, but %q", want, notes)
	}
}

func TestCloudInit_BinaryValuesAreLost(t *testing.T) {
	const in = `{"base64_encoded_keys": ["ds/meta-data/odd", "ds/meta-data/plain"], "userdata": "ci-b64:/wA=",
		"ds": {"meta-data": {"odd": "/w==", "plain": "eA==", "prefixed": "ci-b64:eQ==", "no": "ci-b64:!"}}}`
	got := readOne(t, in)
	for path, want := range map[string]string{"odd": "absent", "plain": "x", "prefixed": "y", "no": "ci-b64:!"} {
		if value := leafOf(t, got, "meta-data/"+path); value != want {
			t.Errorf("%s is %q, not %q", path, value, want)
		}
	}
	yaml, notes := importYAML(t, Options{UserData: true}, Input{Name: "f", Content: []byte(in)})
	if want := "lost: ds.meta-data.odd: not UTF-8 text"; !slices.Contains(notes, want) {
		t.Errorf("no note %q, but %q", want, notes)
	}
	if want := "  user_data_base64: \"/wA=\"\n"; !strings.Contains(yaml, want) {
		t.Errorf("no %q in\n%s", want, yaml)
	}
}

func TestCloudInit_AliasesAreNoNames(t *testing.T) {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me"
	in := `{"ds": {"meta_data": {"public_keys": {"a-b": "redacted for non-root user", "c.d": ["` + key + `"], "c_d": ["` + key + `"]},
		"tags": {"instance": {"my.tag": "a", "my_tag": "a", "x-y": "b", "x_y": "b", "p_q": "c", "p.q": "d"}}}}}`
	got, notes := importYAML(t, Options{}, Input{Name: "f", Content: []byte(in)})
	want := `ec2:
  key_pairs:
    - name: c.d
      public_key: ` + key + `
  tags:
    my.tag: a
    p.q: d
    p_q: c
    x-y: b
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\nnotes %q", diff, notes)
	}
}
