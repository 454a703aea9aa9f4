package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/tree"
)

// object is an object of JSON, whose missing values are "".
type object map[string]any

func (o object) text(key string) string {
	text, _ := o[key].(string)
	return text
}

func (o object) object(key string) object {
	inner, _ := o[key].(map[string]any)
	return inner
}

func (o object) list(key string) []object {
	values, _ := o[key].([]any)
	var all []object
	for _, v := range values {
		if e, ok := v.(map[string]any); ok {
			all = append(all, e)
		}
	}
	return all
}

// number is a whole number; 0 for a missing one.
func (o object) number(key string) int {
	n, _ := o[key].(float64)
	return int(n)
}

// texts returns the values of a key of all elements of a list, those with primary set first.
func texts(list []object, key, primary string) []string {
	var all []string
	for _, e := range list {
		switch first, _ := e[primary].(bool); {
		case e.text(key) == "":
		case first:
			all = slices.Insert(all, 0, e.text(key))
		default:
			all = append(all, e.text(key))
		}
	}
	return all
}

// wantedValues are values of the metadata as describe-instances has them, by the path, with "" for none.
func wantedValues(in object) map[string]string {
	const meta = "meta-data/"
	want := map[string]string{
		meta + "instance-id": in.text("InstanceId"), meta + "ami-id": in.text("ImageId"), meta + "instance-type": in.text("InstanceType"),
		meta + "local-ipv4": in.text("PrivateIpAddress"), meta + "public-ipv4": in.text("PublicIpAddress"),
		meta + "hostname": in.text("PrivateDnsName"), meta + "placement/availability-zone": in.object("Placement").text("AvailabilityZone"),
		meta + "kernel-id": in.text("KernelId"), meta + "ami-launch-index": fmt.Sprint(in.number("AmiLaunchIndex")),
		meta + "instance-life-cycle": cmp.Or(in.text("InstanceLifecycle"), "on-demand"), meta + "block-device-mapping/root": in.text("RootDeviceName"),
		meta + "placement/group-name": in.object("Placement").text("GroupName"), meta + "placement/host-id": in.object("Placement").text("HostId"),
	}
	if in.object("MetadataOptions").text("InstanceMetadataTags") == "enabled" {
		for _, tag := range in.list("Tags") {
			if !strings.ContainsAny(tag.text("Key"), " /") && tag.text("Key") != "_index" {
				want[meta+"tags/instance/"+tag.text("Key")] = tag.text("Value")
			}
		}
	}
	for _, n := range in.list("NetworkInterfaces") {
		if n.object("Attachment").text("Status") != "attached" {
			continue
		}
		dir := meta + "network/interfaces/macs/" + n.text("MacAddress") + "/"
		maps := map[string]string{
			"mac": n.text("MacAddress"), "interface-id": n.text("NetworkInterfaceId"), "subnet-id": n.text("SubnetId"), "vpc-id": n.text("VpcId"),
			"device-number": fmt.Sprint(n.object("Attachment").number("DeviceIndex")), "network-card": fmt.Sprint(n.object("Attachment").number("NetworkCardIndex")),
			"local-ipv4s":        strings.Join(texts(n.list("PrivateIpAddresses"), "PrivateIpAddress", "Primary"), "\n"),
			"ipv6s":              strings.Join(texts(n.list("Ipv6Addresses"), "Ipv6Address", "IsPrimaryIpv6"), "\n"),
			"ipv4-prefix":        strings.Join(texts(n.list("Ipv4Prefixes"), "Ipv4Prefix", ""), "\n"),
			"ipv6-prefix":        strings.Join(texts(n.list("Ipv6Prefixes"), "Ipv6Prefix", ""), "\n"),
			"security-groups":    strings.Join(texts(n.list("Groups"), "GroupName", ""), "\n"),
			"security-group-ids": strings.Join(texts(n.list("Groups"), "GroupId", ""), "\n"),
		}
		var public []string
		for _, p := range n.list("PrivateIpAddresses") {
			if a := p.object("Association").text("PublicIp"); a != "" {
				public = append(public, a)
				maps["ipv4-associations/"+a] = p.text("PrivateIpAddress")
			}
		}
		maps["public-ipv4s"] = strings.Join(public, "\n")
		maps["local-hostname"] = n.text("PrivateDnsName")
		for path, value := range maps {
			want[dir+path] = value
		}
	}
	return want
}

// derived are values that the daemon makes up where the input has none.
var derived = []string{"hostname", "local-hostname", "local-ipv4", "ami-id", "instance-type", "availability-zone", "block-device-mapping/root"}

func TestImport_ServesWhatTheInputSays(t *testing.T) {
	compared := 0
	for _, c := range successful(t) {
		var answer map[string]any
		in := object(nil)
		if json.Unmarshal([]byte(c.section("in.json")), &answer) == nil {
			for _, r := range object(answer).list("Reservations") {
				if all := r.list("Instances"); len(all) == 1 {
					in = all[0]
				}
			}
		}
		loaded, err := config.Load(config.Sources{Text: []byte(c.section("stdout"))})
		if err != nil {
			t.Fatal(err)
		}
		if in == nil || len(loaded.Config.Clients) > 0 {
			continue
		}
		compared++
		t.Run(c.name, func(t *testing.T) {
			own := loaded.Config.Instance
			snapshot, err := tree.New(instance.New(&own, loaded.UserData), own.Metadata)
			if err != nil {
				t.Fatal(err)
			}
			for path, want := range wantedValues(in) {
				got, node := "", snapshot.Lookup("/latest/"+path)
				if node != nil {
					got = string(node.Body)
				}
				if want == "" && node != nil && slices.ContainsFunc(derived, func(end string) bool { return strings.HasSuffix(path, end) }) {
					continue
				}
				if got != want {
					t.Errorf("%s is %q, want %q", path, got, want)
				}
			}
			if at, err := time.Parse(time.RFC3339, in.text("LaunchTime")); err == nil {
				want := fmt.Sprintf("%q : %q", "pendingTime", at.UTC().Format(time.RFC3339))
				if !strings.Contains(string(snapshot.Document()), want) {
					t.Errorf("the document has not %s:\n%s", want, snapshot.Document())
				}
			}
		})
	}
	if compared < 20 {
		t.Errorf("only %d goldens were compared", compared)
	}
}
