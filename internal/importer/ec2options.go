package importer

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"mock-ec2-metadata/internal/config"
)

// ec2Devices maps block devices.
func (in *Instance) ec2Devices(e *ec2Instance) {
	in.set("ec2.block_devices.ami", e.RootDeviceName)
	in.set("ec2.block_devices.root", e.RootDeviceName)
	n := 0
	for _, d := range e.BlockDeviceMappings {
		if d.DeviceName == "" || d.DeviceName == e.RootDeviceName {
			continue
		}
		n++
		key := fmt.Sprintf("ec2.block_devices.ebs%d", n)
		in.set(key, strings.TrimPrefix(d.DeviceName, "/dev/"))
		if n == 1 {
			in.guess("BlockDeviceMappings", "names ebsN in the order of the input", key)
		}
	}
}

// ec2Keys maps the key pair.
func (in *Instance) ec2Keys(e *ec2Instance, all *ec2Inputs) {
	public := strings.TrimSpace(all.keys[e.KeyName])
	switch {
	case e.KeyName == "":
	case public == "":
		in.note(Lost, "KeyName", "the input has no public key; add the output of aws ec2 describe-key-pairs --include-public-key")
	case !config.Fits("ec2.key_pairs.name", e.KeyName) || !config.Fits("ec2.key_pairs.public_key", public):
		in.note(Lost, "KeyName", "its name or its public key is not as OpenSSH has them")
	default:
		list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{mapNode("name", e.KeyName, "public_key", public)}}
		in.setNode(list, "ec2", "key_pairs")
	}
}

// noHopLimit is the number of hops that stands for any.
const noHopLimit = 64

// ec2Options maps the metadata options.
func (in *Instance) ec2Options(e *ec2Instance, hopLimit bool) {
	o := e.MetadataOptions
	const at = "ec2.metadata_options."
	in.setOneOf(at+"http_tokens", "HttpTokens", o.HTTPTokens, "optional", "required")
	in.setOneOf(at+"http_endpoint", "HttpEndpoint", o.HTTPEndpoint, "enabled", "disabled")
	in.setOneOf(at+"instance_metadata_tags", "InstanceMetadataTags", cmp.Or(o.InstanceMetadataTags, "disabled"), "enabled", "disabled")
	switch n := o.HTTPPutResponseHopLimit; {
	case n < 1 || n >= noHopLimit:
	case hopLimit:
		in.setInt(at+"http_put_response_hop_limit", n)
	default:
		in.note(Hint, "HttpPutResponseHopLimit", "%d; --hop-limit takes it over: less than 64 needs Linux, and 1 or 2 shuts containers out", n)
	}
}

// ec2Tags maps the tags. Those that metadata cannot hold are lost if tags are in the metadata.
func (in *Instance) ec2Tags(e *ec2Instance) {
	on := e.MetadataOptions.InstanceMetadataTags == "enabled"
	for _, t := range e.Tags {
		switch {
		case t.Key == "":
		case on && !config.FitsKey("ec2.tags", t.Key):
			in.note(Lost, "Tags", "the key %s cannot be a path of the metadata", oneLine(t.Key))
		default:
			in.setAt(t.Value, "ec2", "tags", t.Key)
			in.keep("ec2", "tags", t.Key)
		}
	}
}

// ec2Profile maps the instance profile to its role.
func (in *Instance) ec2Profile(e *ec2Instance, all *ec2Inputs) {
	ref := e.IAMInstanceProfile
	if ref == nil || ref.ARN == "" {
		return
	}
	partition, account := cmp.Or(arnField(ref.ARN, 1), "aws"), cmp.Or(arnField(ref.ARN, 4), e.reservation.owner)
	if account == "" {
		in.note(Lost, "IamInstanceProfile", "its ARN has no account")
		return
	}
	profile := ref.ARN[strings.LastIndexAny(ref.ARN, "/:")+1:]
	if known, ok := all.profiles[ref.ARN]; ok {
		if len(known.Roles) == 0 || known.Roles[0].ARN == "" {
			in.note(Lost, "IamInstanceProfile", "the profile %s has no role, so it gives no credentials", profile)
			return
		}
		in.RoleARN = known.Roles[0].ARN
	} else {
		in.RoleARN = "arn:" + partition + ":iam::" + account + ":role/" + profile
		in.RoleGuess = "named as the instance profile"
		in.note(Guessed, "IamInstanceProfile", "the role has the name of the instance profile; add the output of aws iam get-instance-profile --instance-profile-name %s", profile)
	}
	in.Role = in.RoleARN[strings.LastIndexByte(in.RoleARN, '/')+1:]
	in.profileLeaf(ref)
}

// profileLeaf writes iam/info, since a profile's id is not ours. It needs the time of the launch.
func (in *Instance) profileLeaf(ref *ec2ProfileRef) {
	at := in.index([]string{"ec2", "pending_time"})
	switch {
	case ref.ID == "" && ref.ARN == "arn:"+arnField(in.RoleARN, 1)+":iam::"+arnField(in.RoleARN, 4)+":instance-profile/"+in.Role: // as ours is
	case ref.ID == "":
		in.note(Lost, "IamInstanceProfile", "its ARN, since the input has no Id of it")
	case at < 0:
		in.note(Lost, "IamInstanceProfile", "its id, since the input has no LaunchTime")
	default:
		in.setLeafText("meta-data/iam/info", fmt.Sprintf("{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : %s,\n  \"InstanceProfileArn\" : %s,\n  \"InstanceProfileId\" : %s\n}",
			quoteJSON(in.Keys[at].Value.Value), quoteJSON(ref.ARN), quoteJSON(ref.ID)))
	}
}

func quoteJSON(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // a text always marshals
	}
	return string(quoted)
}

// ec2UserData maps user data, or says that it is left out.
func (in *Instance) ec2UserData(all *ec2Inputs, wanted bool) error {
	encoded := all.userData[in.ID]
	if encoded == "" {
		return nil
	}
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(encoded), ""))
	if err != nil {
		return fmt.Errorf("%s: UserData: not base64", in.ID)
	}
	if !wanted {
		in.note(Lost, "UserData", "user data, %d bytes; --user-data takes it over", len(data))
		return nil
	}
	in.setUserData(data)
	return nil
}

// maxUserData is what EC2 takes, in bytes.
const maxUserData = 16 << 10

// setUserData writes user data as text if it is some, else in base64. It may hold secrets, which --user-data accepts.
func (in *Instance) setUserData(data []byte) {
	printable := func(r rune) bool { return r == '\n' || r == '\t' || r >= ' ' && r != 0x7f && r != utf8.RuneError }
	switch {
	case len(data) == 0:
	case len(data) > maxUserData:
		in.note(Lost, "UserData", "%d bytes; EC2 takes at most %d", len(data), maxUserData)
	case utf8.Valid(data) && strings.IndexFunc(string(data), func(r rune) bool { return !printable(r) }) < 0:
		in.setNode(textNode(string(data)), "ec2", "user_data")
	default:
		in.setNode(textNode(base64.StdEncoding.EncodeToString(data)), "ec2", "user_data_base64")
	}
}
