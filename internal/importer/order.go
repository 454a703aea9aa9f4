package importer

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// order has the blocks and keys that an import can write, as conf/sample-config.yaml has them. Keys of maps are not in it.
const order = `
credentials
  source_profile iam_role session_name duration mock
aws
  account_id region availability_zone availability_zone_id partition domain
ec2
  local_ipv4 instance_id image_id instance_type architecture hostname hostname_type local_ipv4s public_ipv4 public_ipv4s public_hostname
  ipv6 ipv6s ipv4_prefixes ipv6_prefixes mac interface_id vpc_id subnet_id vpc_ipv4_cidr_blocks vpc_ipv6_cidr_blocks
  subnet_ipv4_cidr_block subnet_ipv6_cidr_blocks security_groups security_group_ids network_interfaces reservation_id ami_launch_index
  life_cycle monitoring pending_time placement product_codes key_pairs block_devices tags user_data user_data_base64 metadata_options
network_interfaces
  device_number network_card mac interface_id local_ipv4s public_ipv4s public_hostname ipv6s ipv4_prefixes ipv6_prefixes vpc_id subnet_id
  vpc_ipv4_cidr_blocks vpc_ipv6_cidr_blocks subnet_ipv4_cidr_block subnet_ipv6_cidr_blocks security_groups security_group_ids
placement
  group_name host_id partition_number
key_pairs
  name public_key
metadata_options
  http_tokens http_endpoint http_put_response_hop_limit instance_metadata_tags
metadata
roles
clients
  from listen role also aws ec2 metadata
containers
ecs
  task
task
  cluster family revision launch_type arn service_name
kubernetes
  enabled node cluster_name pods annotations base_role_arn rules session
annotations
  role external_id session_name allowed_roles
rules
  default_role host_network service_accounts namespaces namespace_annotations
events
server
  listen
`

// ranks returns the place of each block among the blocks and of each key in its block.
func ranks() map[string]map[string]int {
	all := map[string]map[string]int{"": {}}
	block := ""
	for line := range strings.Lines(strings.TrimPrefix(order, "\n")) {
		if !strings.HasPrefix(line, " ") {
			block = strings.TrimSpace(line)
			all[""][block] = len(all[""]) + 1
			all[block] = map[string]int{}
			continue
		}
		for key := range strings.FieldsSeq(line) {
			all[block][key] = len(all[block]) + 1
		}
	}
	return all
}

// sorter puts keys into the order of conf/sample-config.yaml, and those that it does not name by their text.
type sorter struct{ ranks map[string]map[string]int }

// sort sorts the keys of a block and of all blocks below it. name is the block's own key, "" for the top. An event keeps its order.
func (s *sorter) sort(n *yaml.Node, name string) {
	if n.Kind == yaml.SequenceNode {
		for _, e := range n.Content {
			s.sort(e, name)
		}
	}
	if n.Kind != yaml.MappingNode || name == "events" {
		return
	}
	type pair struct {
		rank       int
		key, value *yaml.Node
	}
	pairs := make([]pair, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		rank, ok := s.ranks[name][key]
		if !ok {
			rank = len(order) // behind all
		}
		pairs = append(pairs, pair{rank, n.Content[i], n.Content[i+1]})
		s.sort(n.Content[i+1], key)
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Or(a.rank-b.rank, natural(a.key.Value, b.key.Value)) })
	for i, p := range pairs {
		n.Content[2*i], n.Content[2*i+1] = p.key, p.value
	}
}

// natural compares texts, and numbers at their ends as numbers: ebs2 comes before ebs10.
func natural(a, b string) int {
	x, y := strings.TrimRight(a, "0123456789"), strings.TrimRight(b, "0123456789")
	if x == y {
		m, err := strconv.Atoi(a[len(x):])
		n, err2 := strconv.Atoi(b[len(y):])
		if err == nil && err2 == nil {
			return cmp.Or(m-n, cmp.Compare(a, b))
		}
	}
	return cmp.Compare(a, b)
}

// assemble makes a block of keys by their paths.
func assemble(keys []Key) *yaml.Node {
	top := mapNode()
	for _, k := range keys {
		at := top
		for i, part := range k.Path {
			if i == len(k.Path)-1 {
				at.Content = append(at.Content, textNode(part), k.Value)
				break
			}
			at = descend(at, part, isList(part) && strings.HasPrefix(k.Path[i+1], "["))
		}
	}
	return top
}

// isList reports whether a key has a list of blocks, whose elements have paths of their own. Names of tags may be anything.
func isList(key string) bool {
	return key == "network_interfaces" || key == "key_pairs" || key == "events"
}

// descend returns the block or the list at a key or an element, which it makes if it is missing.
func descend(at *yaml.Node, part string, list bool) *yaml.Node {
	made := mapNode()
	if list {
		made = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	}
	if at.Kind == yaml.SequenceNode {
		n, _ := strconv.Atoi(strings.Trim(part, "[]")) // this package writes them
		for len(at.Content) <= n {
			at.Content = append(at.Content, mapNode())
		}
		return at.Content[n]
	}
	for i := 0; i+1 < len(at.Content); i += 2 {
		if at.Content[i].Value == part {
			return at.Content[i+1]
		}
	}
	at.Content = append(at.Content, textNode(part), made)
	return made
}
