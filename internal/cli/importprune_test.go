package cli

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/importer"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/tree"
)

// optionsOf are the options of a case's arguments.
func (c importCase) options() importer.Options {
	args := strings.Fields(c.section("args"))
	has := func(flag string) bool { return slices.Contains(args, flag) }
	opt := importer.Options{All: has("--all"), ByAddress: has("address"), BasePort: 5001, UserData: has("--user-data"), HopLimit: has("--hop-limit")}
	if i := slices.Index(args, "--instance"); i >= 0 {
		opt.Instances = args[i+1 : i+2]
	}
	return opt
}

// inputs are the files of a case.
func (c importCase) inputs() []importer.Input {
	var all []importer.Input
	for _, f := range c.archive.Files {
		if !slices.Contains([]string{"args", "code", "stdout", "stderr"}, f.Name) {
			all = append(all, importer.Input{Name: f.Name, Content: f.Data})
		}
	}
	return all
}

// imported makes a configuration, with all keys or with those that are needed.
func imported(t testing.TB, inputs []importer.Input, opt importer.Options, pruned bool) []byte {
	t.Helper()
	r, err := importer.Read(inputs, opt)
	if err != nil {
		t.Fatal(err)
	}
	if pruned {
		if err := prune(r.Instances); err != nil {
			t.Fatal(err)
		}
	}
	document, err := r.Merge(opt)
	if err != nil {
		t.Fatal(err)
	}
	text, err := importer.YAML(r.Source, document)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// seenBy loads a configuration as check does, and returns how many warnings there are and what is not of an instance, and then what its
// clients see: all values, and how requests are answered.
func seenBy(text []byte) ([]string, error) {
	loaded, err := config.Load(config.Sources{Text: text})
	if err != nil {
		return nil, err
	}
	if _, err := app.Check(loaded); err != nil {
		return nil, err
	}
	rest := fmt.Sprint(len(loaded.Warnings), loaded.Config.Server.Listen, loaded.Config.ECS, loaded.Config.Kubernetes, loaded.Config.Credentials)
	for i := range loaded.Config.Events {
		rest += string(config.JSON(&loaded.Config.Events[i]))
	}
	if len(loaded.Config.Clients) == 0 {
		own := &loaded.Config.Credentials
		seen, err := seenByEntry(loaded, -1, own)
		return []string{rest, seen}, err
	}
	all := []string{rest}
	for i := range loaded.Config.Clients {
		c := &loaded.Config.Clients[i]
		role := &loaded.Config.Credentials
		if c.Role == config.NoRole {
			role = nil
		} else if named, ok := loaded.Config.Roles[c.Role]; ok {
			role = &named
		}
		seen, err := seenByEntry(loaded, i, role)
		if err != nil {
			return nil, err
		}
		all = append(all, fmt.Sprint(c.From, c.Listen)+seen)
	}
	return all, nil
}

func seenByEntry(loaded *config.Loaded, entry int, role *config.Credentials) (string, error) {
	c, userData := loaded.InstanceOf(entry, role)
	in := instance.New(&c, userData)
	snapshot, err := tree.New(in, c.Metadata)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, path := range snapshot.Paths() {
		if path != "/latest/" {
			path = strings.TrimSuffix(path, "/")
		}
		node := snapshot.Lookup(path)
		fmt.Fprintf(&b, "%s %d %s\n", path, node.Kind, node.Body)
	}
	c.EC2.MetadataOptions.InstanceMetadataTags = "" // the values tell
	fmt.Fprintf(&b, "%+v %q %v %q %v", c.EC2.MetadataOptions, c.Credentials.IAMRole, c.Credentials.Mock, c.Credentials.SourceProfile, c.EC2.Tags)
	return b.String(), nil
}

// successful are the cases that write a configuration.
func successful(t *testing.T) []importCase {
	return slices.DeleteFunc(importCases(t), func(c importCase) bool { return c.section("code") != "0\n" })
}

// ofFiles are those of them that read files and nothing else.
func ofFiles(t *testing.T) []importCase {
	return slices.DeleteFunc(successful(t), func(c importCase) bool {
		args := strings.Fields(c.section("args"))
		return slices.Contains(args, "--") || slices.Contains(args, "--as")
	})
}

func TestPrune_AnswersAreThoseOfAllKeys(t *testing.T) {
	for _, c := range ofFiles(t) {
		if c.name == "aemm-all" {
			continue // with all keys, metadata has what its event needs
		}
		t.Run(c.name, func(t *testing.T) { sameAnswers(t, c.inputs(), c.options()) })
	}
}

// sameAnswers checks that the keys that are left give what all keys give.
func sameAnswers(t testing.TB, inputs []importer.Input, opt importer.Options) {
	t.Helper()
	all, less := imported(t, inputs, opt, false), imported(t, inputs, opt, true)
	want, err := seenBy(all)
	if err != nil {
		t.Fatalf("%v\n%s", err, all)
	}
	got, err := seenBy(less)
	if err != nil {
		t.Fatalf("%v\n%s", err, less)
	}
	if got[0] != want[0] {
		t.Errorf("the rest is %s, want %s, by\n%s", got[0], want[0], less)
	}
	for i := 1; i < len(want); i++ {
		if got[i] != want[i] {
			g, w := strings.Split(got[i], "\n"), strings.Split(want[i], "\n")
			g, w = slices.DeleteFunc(g, func(line string) bool { return strings.Contains(want[i], line) }), slices.DeleteFunc(w, func(line string) bool { return strings.Contains(got[i], line) })
			t.Errorf("client %d sees %q, want %q, by\n%s\nof\n%s", i, g, w, less, all)
		}
	}
}

// TestPrune_EachKeyMatters leaves out tags, which stay if the metadata has none, a zone, without which the environment counts, and
// role: none and the ARN of a role, which say what is so without them.
func TestPrune_EachKeyMatters(t *testing.T) {
	for _, c := range successful(t) {
		if c.name == "own" {
			continue // it is written as it was
		}
		t.Run(c.name, func(t *testing.T) {
			text := []byte(c.section("stdout"))
			want, err := seenBy(text)
			if err != nil {
				t.Fatal(err)
			}
			var document yaml.Node
			if err := yaml.Unmarshal(text, &document); err != nil {
				t.Fatal(err)
			}
			eachKey(document.Content[0], "", func(path string) {
				if strings.Contains(path, ".tags.") || strings.HasSuffix(path, ".availability_zone") || strings.HasSuffix(path, "].role") || strings.HasSuffix(path, ".iam_role") {
					return
				}
				less, err := yaml.Marshal(&document)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := seenBy(less); err == nil && slices.Equal(got, want) {
					t.Errorf("%s changes nothing", path)
				}
			})
		})
	}
}

// eachKey calls a function without each key in turn.
func eachKey(n *yaml.Node, path string, without func(path string)) {
	if n.Kind == yaml.SequenceNode {
		for i, e := range n.Content {
			eachKey(e, fmt.Sprintf("%s[%d]", path, i), without)
		}
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := path + "." + key.Value
		eachKey(value, at, without)
		if value.Kind == yaml.MappingNode || value.Kind == yaml.SequenceNode && value.Style != yaml.FlowStyle {
			continue
		}
		all := n.Content
		n.Content = slices.Concat(all[:i], all[i+2:])
		without(at)
		n.Content = all
	}
}

func TestPrune_RandomInstancesKeepTheirAnswers(t *testing.T) {
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 21))
		var instances []any
		for i := range 1 + random.IntN(4) {
			instances = append(instances, randomInstance(random, i))
		}
		inputs := []importer.Input{jsonInput(t, "in.json", map[string]any{"Reservations": []any{map[string]any{
			"OwnerId": "123456789012", "ReservationId": "r-0123456789abcdef0", "Instances": instances,
		}}})}
		if random.IntN(2) == 0 {
			inputs = append(inputs, jsonInput(t, "subnets.json", map[string]any{"Subnets": []any{
				map[string]any{"SubnetId": "subnet-0", "CidrBlock": "10.0.0.0/20"}, map[string]any{"SubnetId": "subnet-1", "CidrBlock": "10.0.16.0/24"},
			}}))
		}
		if random.IntN(2) == 0 {
			inputs = append(inputs, jsonInput(t, "vpcs.json", map[string]any{"Vpcs": []any{map[string]any{"VpcId": "vpc-0", "CidrBlock": "10.0.0.0/16"}}}))
		}
		sameAnswers(t, inputs, importer.Options{BasePort: 5001})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
