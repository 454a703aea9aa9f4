package importer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// ec2Inputs are all answers of AWS that an import has.
type ec2Inputs struct {
	instances  []ec2Instance
	subnets    map[string]ec2Subnet
	vpcs       map[string]ec2VPC
	types      map[string]ec2Type
	keys       map[string]string // public keys by name
	profiles   map[string]iamProfile
	userData   map[string]string // base64 by instance
	incomplete bool              // there is a NextToken
}

// ec2Answer has the lists of all answers that are of use. Each answer has one of them.
type ec2Answer struct {
	ec2Reservation
	Reservations     []ec2Reservation `json:"Reservations"`
	Subnets          []ec2Subnet      `json:"Subnets"`
	VPCs             []ec2VPC         `json:"Vpcs"`
	InstanceTypes    []ec2Type        `json:"InstanceTypes"`
	KeyPairs         []ec2KeyPair     `json:"KeyPairs"`
	InstanceProfile  *iamProfile      `json:"InstanceProfile"`
	InstanceProfiles []iamProfile     `json:"InstanceProfiles"`
	NextToken        string           `json:"NextToken"`
}

// isEC2Key reports whether a top-level key is one of the AWS CLI's answers.
func isEC2Key(key string) bool {
	return slices.Contains([]string{
		"Reservations", "Instances", "Subnets", "Vpcs", "InstanceTypes", "KeyPairs", "InstanceProfile", "InstanceProfiles",
	}, key)
}

// isEC2Instance reports whether an object is a single element of an answer, as --query gives it.
func isEC2Instance(keys map[string]bool) bool { return elementOf(keys) != "" }

// elementOf returns the list of an answer that an object is an element of, or "".
func elementOf(keys map[string]bool) string {
	switch {
	case keys["InstanceId"] && keys["UserData"] && !keys["ImageId"]:
		return "UserData"
	case keys["InstanceId"]:
		return "Instances"
	case keys["SubnetId"] && keys["CidrBlock"]:
		return "Subnets"
	case keys["VpcId"] && keys["CidrBlock"]:
		return "Vpcs"
	case keys["InstanceType"] && keys["ProcessorInfo"]:
		return "InstanceTypes"
	case keys["KeyName"] && (keys["PublicKey"] || keys["KeyFingerprint"]):
		return "KeyPairs"
	case keys["InstanceProfileName"]:
		return "InstanceProfiles"
	default:
		return ""
	}
}

// readEC2 reads describe-instances and what else AWS says of instances.
func readEC2(r *reading) error {
	all := ec2Inputs{
		subnets: map[string]ec2Subnet{}, vpcs: map[string]ec2VPC{}, types: map[string]ec2Type{}, keys: map[string]string{},
		profiles: map[string]iamProfile{}, userData: map[string]string{},
	}
	unknown := map[string]bool{}
	for _, d := range r.docs {
		if err := all.add(d, d.json, "", maxLists); err != nil {
			return err
		}
		fieldNames(d.json, unknown)
	}
	used := ec2Fields()
	maps.DeleteFunc(unknown, func(name string, _ bool) bool { return used[name] })
	r.NotNeeded = len(unknown)
	if all.incomplete {
		r.note(Hint, "NextToken", "the list is not complete; leave out --max-items, or import the further pages with it")
	}
	return r.ec2Instances(&all)
}

// add adds what is in a value of a document: an answer, a list of elements, or one element. at is its place in the document, levels how
// many lists may be in each other.
func (all *ec2Inputs) add(d *document, value json.RawMessage, at string, levels int) error {
	value = bytes.TrimSpace(value)
	switch {
	case len(value) == 0 || string(value) == "null":
		return nil
	case value[0] == '[' && levels == 0:
		return d.fail("%s: more than %d lists in each other; leave out --query", at, maxLists)
	case value[0] == '[':
		i := 0
		for e := range elements(value) {
			if err := all.add(d, e, fmt.Sprintf("%s[%d]", at, i), levels-1); err != nil {
				return err
			}
			i++
		}
		return nil
	case value[0] != '{':
		return d.fail("%s: want an instance, but this is a single value", strings.TrimPrefix(at, "."))
	}
	list, keys := "", fieldsOf(value)
	if !slices.ContainsFunc(slices.Collect(maps.Keys(keys)), isEC2Key) {
		if list = elementOf(keys); list == "" {
			return d.fail("%s: neither an instance nor anything else that an import uses; leave out --query", cmp.Or(strings.TrimPrefix(at, "."), "the input"))
		}
	}
	return all.addObject(d, value, list, at)
}

// addObject adds an answer, or the element of a list.
func (all *ec2Inputs) addObject(d *document, value json.RawMessage, list, at string) error {
	var a ec2Answer
	var err error
	switch list {
	case "":
		err = d.decode(value, at, &a)
	case "Instances":
		err = decodeElement(d, value, at, &a.Instances)
	case "Subnets":
		err = decodeElement(d, value, at, &a.Subnets)
	case "Vpcs":
		err = decodeElement(d, value, at, &a.VPCs)
	case "InstanceTypes":
		err = decodeElement(d, value, at, &a.InstanceTypes)
	case "KeyPairs":
		err = decodeElement(d, value, at, &a.KeyPairs)
	case "InstanceProfiles":
		err = decodeElement(d, value, at, &a.InstanceProfiles)
	case "UserData":
		var attribute ec2Attribute
		if err = d.decode(value, at, &attribute); err == nil && attribute.UserData.Value != "" {
			all.userData[attribute.InstanceID] = attribute.UserData.Value
		}
	}
	if err != nil {
		return err
	}
	all.addAnswer(&a)
	return nil
}

func decodeElement[T any](d *document, value json.RawMessage, at string, list *[]T) error {
	var e T
	if err := d.decode(value, at, &e); err != nil {
		return err
	}
	*list = append(*list, e)
	return nil
}

// addAnswer adds all that an answer has.
func (all *ec2Inputs) addAnswer(a *ec2Answer) {
	for _, reservation := range append(a.Reservations, a.ec2Reservation) {
		for i := range reservation.Instances {
			in := reservation.Instances[i]
			in.reservation = ec2ReservationRef{reservation.OwnerID, reservation.ReservationID}
			all.instances = append(all.instances, in)
		}
	}
	for _, s := range a.Subnets {
		all.subnets[s.SubnetID] = s
	}
	for _, v := range a.VPCs {
		all.vpcs[v.VPCID] = v
	}
	for _, t := range a.InstanceTypes {
		all.types[t.InstanceType] = t
	}
	for _, k := range a.KeyPairs {
		if k.PublicKey != "" {
			all.keys[k.KeyName] = k.PublicKey
		}
	}
	if a.InstanceProfile != nil {
		a.InstanceProfiles = append(a.InstanceProfiles, *a.InstanceProfile)
	}
	for _, p := range a.InstanceProfiles {
		all.profiles[p.ARN] = p
	}
	all.incomplete = all.incomplete || a.NextToken != ""
}

// ec2Fields returns the names of all fields that an import uses.
func ec2Fields() map[string]bool {
	names := map[string]bool{}
	for _, v := range []any{ec2Answer{}, ec2Attribute{}} {
		addFields(reflect.TypeOf(v), names)
	}
	return names
}

func addFields(t reflect.Type, names map[string]bool) {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for _, f := range reflect.VisibleFields(t) {
		if name := f.Tag.Get("json"); name != "" {
			names[name] = true
			addFields(f.Type, names)
		}
	}
}
