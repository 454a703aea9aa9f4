package importer

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"mock-ec2-metadata/internal/config"
)

// ec2Instances maps the instances that are wanted.
func (r *reading) ec2Instances(all *ec2Inputs) error {
	chosen, err := r.choose(all.instances)
	if err != nil {
		return err
	}
	withoutNetworks := false
	for _, e := range chosen {
		if err := e.checkSize(); err != nil {
			return err
		}
		in := &Instance{ID: e.InstanceID}
		e.complete(all)
		in.ec2Basics(e)
		in.ec2Placement(e)
		network := in.ec2Network(e, all)
		withoutNetworks = withoutNetworks || !network
		in.ec2Devices(e)
		in.ec2Keys(e, all)
		in.ec2Options(e, r.opt.HopLimit)
		in.ec2Tags(e)
		in.ec2Profile(e, all)
		if err := in.ec2UserData(all, r.opt.UserData); err != nil {
			return err
		}
		r.Instances = append(r.Instances, in)
	}
	if withoutNetworks {
		r.note(Guessed, "networks", "the input has no CIDR blocks; add the output of aws ec2 describe-subnets and aws ec2 describe-vpcs")
	}
	return nil
}

// choose returns the instances that are wanted, each once, sorted by id.
func (r *reading) choose(all []ec2Instance) ([]*ec2Instance, error) {
	if len(all) == 0 {
		return nil, errors.New("no instance in the input; add the output of aws ec2 describe-instances")
	}
	seen := map[string]*ec2Instance{}
	var chosen []*ec2Instance
	for i := range all {
		e := &all[i]
		if e.InstanceID == "" {
			return nil, errors.New("an instance has no InstanceId; keep it in --query")
		}
		if other, again := seen[e.InstanceID]; again {
			if !sameInstance(e, other) {
				return nil, fmt.Errorf("%s: is there twice, and differs; leave one out", e.InstanceID)
			}
			continue
		}
		seen[e.InstanceID] = e
		chosen = append(chosen, e)
	}
	for _, id := range r.opt.Instances {
		if seen[id] == nil {
			return nil, fmt.Errorf("%s: is not among the instances of the input (%d); check --instance", id, len(chosen))
		}
	}
	wanted := func(e *ec2Instance) bool {
		return len(r.opt.Instances) == 0 || slices.Contains(r.opt.Instances, e.InstanceID)
	}
	chosen = slices.DeleteFunc(chosen, func(e *ec2Instance) bool { return !wanted(e) })
	slices.SortFunc(chosen, func(a, b *ec2Instance) int { return strings.Compare(a.InstanceID, b.InstanceID) })
	skipped := map[string]int{}
	chosen = slices.DeleteFunc(chosen, func(e *ec2Instance) bool {
		state := e.State.Name
		if r.opt.All || slices.Contains([]string{"", "pending", "running"}, state) {
			return false
		}
		skipped[state]++
		r.Notes = append(r.Notes, Note{Subject: e.InstanceID, Kind: Skipped, Name: "State", Why: state + "; --all takes it, too"})
		return true
	})
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no instance is left: %s; --all takes them, too", counts(skipped))
	}
	return chosen, nil
}

// sameInstance reports whether two answers say the same of an instance. EC2 gives tags and interfaces in any order.
func sameInstance(a, b *ec2Instance) bool {
	sorted := func(e ec2Instance) ec2Instance {
		e.Tags, e.NetworkInterfaces = slices.Clone(e.Tags), slices.Clone(e.NetworkInterfaces)
		slices.SortFunc(e.Tags, func(a, b ec2Tag) int { return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Value, b.Value)) })
		slices.SortFunc(e.NetworkInterfaces, func(a, b ec2Interface) int { return cmp.Compare(a.NetworkInterfaceID, b.NetworkInterfaceID) })
		return e
	}
	return reflect.DeepEqual(sorted(*a), sorted(*b))
}

// counts lists how often words are there: 2 stopped, 1 terminated.
func counts(words map[string]int) string {
	var parts []string
	for word, n := range words {
		parts = append(parts, fmt.Sprintf("%d %s", n, word))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// Limits of one instance, which EC2 has below: of interfaces those of the configuration.
const (
	maxInterfaces  = 65
	maxOfInterface = 1000 // addresses, prefixes and groups
	maxOfInstance  = 200  // devices, tags, groups
)

// checkSize refuses an instance that EC2 cannot have, and that would take long.
func (e *ec2Instance) checkSize() error {
	for _, list := range []struct {
		name    string
		n, most int
	}{
		{"NetworkInterfaces", len(e.NetworkInterfaces), maxInterfaces},
		{"BlockDeviceMappings", len(e.BlockDeviceMappings), maxOfInstance},
		{"Tags", len(e.Tags), maxOfInstance},
		{"SecurityGroups", len(e.SecurityGroups), maxOfInstance},
		{"ProductCodes", len(e.ProductCodes), maxOfInstance},
	} {
		if list.n > list.most {
			return fmt.Errorf("%s: %s: %d elements; at most %d are taken", e.InstanceID, list.name, list.n, list.most)
		}
	}
	for i := range e.NetworkInterfaces {
		n := &e.NetworkInterfaces[i]
		if all := len(n.PrivateIPAddresses) + len(n.IPv6Addresses) + len(n.IPv4Prefixes) + len(n.IPv6Prefixes) + len(n.Groups); all > maxOfInterface {
			return fmt.Errorf("%s: NetworkInterfaces[%d]: %d addresses, prefixes and groups; at most %d are taken", e.InstanceID, i, all, maxOfInterface)
		}
	}
	return nil
}

// complete takes what an instance lacks from the other answers.
func (e *ec2Instance) complete(all *ec2Inputs) {
	if e.Architecture == "" {
		if supported := all.types[e.InstanceType].ProcessorInfo.SupportedArchitectures; len(supported) == 1 {
			e.Architecture = supported[0]
		}
	}
	e.Placement.AvailabilityZone = cmp.Or(e.Placement.AvailabilityZone, all.subnets[e.SubnetID].AvailabilityZone)
	for _, n := range e.NetworkInterfaces {
		e.reservation.owner = cmp.Or(e.reservation.owner, n.OwnerID)
	}
	if e.IAMInstanceProfile != nil {
		e.reservation.owner = cmp.Or(e.reservation.owner, arnField(e.IAMInstanceProfile.ARN, 4))
	}
}

// ec2Basics maps what stands at the top of an instance.
func (in *Instance) ec2Basics(e *ec2Instance) {
	in.set("ec2.instance_id", e.InstanceID)
	in.set("ec2.image_id", e.ImageID)
	in.set("ec2.instance_type", e.InstanceType)
	architecture := e.Architecture
	if architecture == "x86_64_mac" {
		architecture = "x86_64"
	}
	in.set("ec2.architecture", architecture)
	in.set("ec2.reservation_id", e.reservation.id)
	if e.AMILaunchIndex > 0 {
		in.setInt("ec2.ami_launch_index", e.AMILaunchIndex)
	}
	lifecycle := cmp.Or(e.InstanceLifecycle, "on-demand")
	in.setOneOf("ec2.life_cycle", "InstanceLifecycle", lifecycle, "on-demand", "spot", "scheduled", "capacity-block", "interruptible-capacity-reservation")
	switch e.Monitoring.State {
	case "enabled", "pending":
		in.set("ec2.monitoring", "enabled")
	case "disabled", "disabling":
		in.set("ec2.monitoring", "disabled")
	}
	if e.LaunchTime != "" {
		// Python writes a blank for the T, where a program prints an answer by json.dumps(answer, default=str).
		if at, err := time.Parse(time.RFC3339, strings.Replace(e.LaunchTime, " ", "T", 1)); err == nil {
			in.set("ec2.pending_time", at.UTC().Truncate(time.Second).Format(time.RFC3339))
		} else {
			in.note(Lost, "LaunchTime", "not a time such as 2025-01-31T12:00:00Z")
		}
	}
	var codes []string
	for _, c := range e.ProductCodes {
		if c.ProductCodeID != "" {
			codes = append(codes, c.ProductCodeID)
		}
	}
	in.setList("ec2.product_codes", codes)
	in.setLeafText("meta-data/kernel-id", e.KernelID)
	in.setLeafText("meta-data/ramdisk-id", e.RamdiskID)
	in.setLeafText("meta-data/outpost-arn", e.OutpostARN)
}

// setLeafText sets a leaf unless it is empty.
func (in *Instance) setLeafText(path, text string) {
	if text != "" {
		in.setLeaf(path, &text)
	}
}

// setOneOf sets a key to one of the words that it can have. name is the field in the input.
func (in *Instance) setOneOf(path, name, word string, words ...string) {
	switch {
	case word == "":
	case slices.Contains(words, word):
		in.set(path, word)
	default:
		in.note(Lost, name, "not one of %s", strings.Join(words, ", "))
	}
}

// ec2Placement maps account, zone and placement.
func (in *Instance) ec2Placement(e *ec2Instance) {
	zone := e.Placement.AvailabilityZone
	in.set("aws.account_id", e.reservation.owner)
	in.set("aws.availability_zone", zone)
	in.set("aws.availability_zone_id", e.Placement.AvailabilityZoneID)
	in.set("ec2.placement.group_name", e.Placement.GroupName)
	in.set("ec2.placement.host_id", e.Placement.HostID)
	if e.Placement.PartitionNumber > 0 && e.Placement.GroupName != "" {
		in.setInt("ec2.placement.partition_number", e.Placement.PartitionNumber)
	}
	if e.IAMInstanceProfile == nil {
		return
	}
	partition := arnField(e.IAMInstanceProfile.ARN, 1)
	switch {
	case partition == "":
	case zone == "":
		if region := firstRegion(partition); region != "" {
			in.set("aws.region", region)
			in.guess("Placement", "the first region of partition "+partition, "aws.region")
		}
	case partition != config.Partition(zone):
		in.set("aws.partition", partition)
	}
}

// firstRegion is a region of a partition other than the standard one, in which ours would not be.
func firstRegion(partition string) string {
	return map[string]string{
		"aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1", "aws-iso": "us-iso-east-1", "aws-iso-b": "us-isob-east-1",
		"aws-iso-e": "eu-isoe-west-1", "aws-iso-f": "us-isof-east-1", "aws-eusc": "eusc-de-east-1",
	}[partition]
}

// arnField returns the n-th part of an ARN, counted from 0, or "".
func arnField(arn string, n int) string {
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 && parts[0] == "arn" {
		return parts[n]
	}
	return ""
}
