package bench

import (
	"fmt"
	"strconv"
	"strings"
)

// Scale is a very large configuration.
type Scale struct {
	Name   string // as in Case
	What   string // for the report
	Config string
	Leaves []Leaf
}

// Leaf is a path that such a configuration serves, and its value.
type Leaf struct{ Path, Value string }

// Scales returns the embedded default first, for comparison, then the large configurations.
func Scales() []Scale {
	return []Scale{
		{"default", "the embedded default", "", []Leaf{
			{"/latest/meta-data/instance-id", "i-0123456789abcdef0"},
			{"/latest/meta-data/local-ipv4", "10.0.0.10"},
			{"/latest/meta-data/placement/region", "us-east-1"},
		}},
		tags(10_000), tree(50, 100, 1<<10), nics(64),
	}
}

// tags makes a configuration of n instance tags.
func tags(n int) Scale {
	s := Scale{Name: "tags", What: fmt.Sprintf("%d tags", n)}
	config := &strings.Builder{}
	config.WriteString("ec2:\n  metadata_options: {instance_metadata_tags: enabled}\n  tags:\n")
	for i := range n {
		name, value := fmt.Sprintf("tag-%05d", i), fmt.Sprintf("value of the tag %d", i)
		fmt.Fprintf(config, "    %s: %s\n", name, value)
		s.Leaves = append(s.Leaves, Leaf{"/latest/meta-data/tags/instance/" + name, value})
	}
	s.Config = config.String()
	return s
}

// tree makes a configuration of dirs directories, each with leaves values of size bytes.
func tree(dirs, leaves, size int) Scale {
	s := Scale{Name: "tree", What: fmt.Sprintf("%.1f MB of values", float64(dirs*leaves*size)/1e6)}
	config := &strings.Builder{}
	config.WriteString("metadata:\n")
	for i := range dirs * leaves {
		path := fmt.Sprintf("meta-data/large/%03d/%03d", i/leaves, i%leaves)
		value := strings.Repeat(fmt.Sprintf("value %d of a large tree ", i), size/20)[:size]
		fmt.Fprintf(config, "  %s: %q\n", path, value)
		s.Leaves = append(s.Leaves, Leaf{"/latest/" + path, value})
	}
	s.Config = config.String()
	return s
}

// nics makes a configuration of n network interfaces.
func nics(n int) Scale {
	s := Scale{Name: "nics", What: fmt.Sprintf("%d network interfaces", n)}
	config := &strings.Builder{}
	config.WriteString("ec2:\n  network_interfaces:\n")
	for i := 1; i <= n; i++ {
		mac := fmt.Sprintf("0a:00:00:00:00:%02x", i)
		fmt.Fprintf(config, "  - {mac: %q, device_number: %d}\n", mac, i)
		s.Leaves = append(s.Leaves, Leaf{"/latest/meta-data/network/interfaces/macs/" + mac + "/device-number", strconv.Itoa(i)})
	}
	s.Config = config.String()
	return s
}
