package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"
)

func newEventNetwork(f *flags) *cobra.Command {
	// verb makes a command for one change of the network. put puts its arguments into the body.
	verb := func(cmd *cobra.Command, mac bool, put func(cmd *cobra.Command, b body, args []string) error) *cobra.Command {
		b := body{}
		b.flag(cmd, "lag", "lag", parseDuration, "the change is incomplete for a `DURATION`, as it is on EC2 for seconds")
		if mac {
			b.flag(cmd, "mac", "mac", parseText, "`MAC` of the interface; default: the first one")
		}
		return makesEvent(f, cmd, b, func(cmd *cobra.Command, args []string) error {
			b.put("network", cmd.Name())
			return put(cmd, b, args)
		})
	}
	address := func(_ *cobra.Command, b body, args []string) error {
		b.put("address", args[0])
		return nil
	}
	return group(
		&cobra.Command{
			Use:   "network",
			Short: "Add and remove addresses, attach and detach network interfaces",
			Long: `network changes network/interfaces/macs/.

  mock-ec2-metadata event network add-ip 172.31.0.20
  mock-ec2-metadata event network attach interface.yaml --lag 10s
  mock-ec2-metadata event network detach 02:00:00:00:00:02`,
		},
		verb(&cobra.Command{Use: "add-ip ADDRESS", Short: "Add a secondary address or prefix", Args: takes(1, 1, "172.31.0.20")}, true, address),
		verb(&cobra.Command{Use: "remove-ip ADDRESS", Short: "Remove an address or prefix", Args: takes(1, 1, "172.31.0.20")}, true, address),
		verb(&cobra.Command{
			Use: "attach [FILE]", Short: "Attach a further network interface", Args: takes(0, 1, "interface.yaml"),
			Long: `attach attaches a further network interface. FILE describes it in YAML or JSON, with the keys of an entry of ec2.network_interfaces; this
command reads it, - is stdin. Without it the daemon makes one up.`,
			ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault),
		}, false, func(cmd *cobra.Command, b body, args []string) error {
			if len(args) == 0 {
				return nil
			}
			described, err := readInterface(cmd, args[0])
			b.put("interface", described)
			return err
		}),
		verb(&cobra.Command{
			Use: "detach MAC", Short: "Detach a network interface", Args: takes(1, 1, "02:00:00:00:00:02"),
		}, false, func(_ *cobra.Command, b body, args []string) error {
			b.put("mac", args[0])
			return nil
		}),
	)
}

// maxInput is how many bytes of a file are read: more than the daemon takes.
const maxInput = 1 << 20

// readText reads a file, or stdin for "-", that is not empty.
func readText(cmd *cobra.Command, file string) (string, error) {
	var text []byte
	var err error
	if file == "-" {
		file = "stdin"
		text, err = io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxInput+1))
	} else {
		text, err = readFile(file)
	}
	switch {
	case err != nil:
		return "", err
	case len(text) > maxInput:
		return "", fmt.Errorf("%s: it has more than 1 MiB, which the daemon does not take; shorten it", file)
	case len(text) == 0:
		return "", fmt.Errorf("%s: it is empty; name a file with content", file)
	case !utf8.Valid(text):
		return "", fmt.Errorf("%s: it is not UTF-8 text, so it cannot be sent; encode it, for example by base64", file)
	default:
		return string(text), nil
	}
}

func readFile(name string) ([]byte, error) {
	file, err := os.Open(name) //nolint:gosec // the user's own file
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, maxInput+1))
}

// readInterface reads the description of a network interface, in YAML or JSON.
func readInterface(cmd *cobra.Command, file string) (any, error) {
	text, err := readText(cmd, file)
	if err != nil {
		return nil, err
	}
	d := yaml.NewDecoder(strings.NewReader(text))
	var node, more yaml.Node
	err = d.Decode(&node)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: it is neither YAML nor JSON: %w", file, err)
	}
	// Decode also refuses duplicate keys, and aliases that multiply.
	var checked map[string]any
	if err != nil || node.Decode(&checked) != nil || checked == nil || !errors.Is(d.Decode(&more), io.EOF) {
		return nil, fmt.Errorf("%s: it is not one network interface; write the keys of an entry of ec2.network_interfaces, such as mac: 02:00:00:00:00:02", file)
	}
	return plain(&node), nil
}

// plain turns YAML into JSON's types. Scalars keep their text, so that 012345678901 keeps its zero.
func plain(n *yaml.Node) any {
	switch n.Kind {
	case yaml.DocumentNode:
		return plain(n.Content[0])
	case yaml.AliasNode:
		return plain(n.Alias)
	case yaml.MappingNode:
		all := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			all[n.Content[i].Value] = plain(n.Content[i+1])
		}
		return all
	case yaml.SequenceNode:
		all := []any{}
		for _, item := range n.Content {
			all = append(all, plain(item))
		}
		return all
	default:
		return scalar(n)
	}
}

func scalar(n *yaml.Node) any {
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		var yes bool
		if n.Decode(&yes) == nil {
			return yes
		}
	case "!!int":
		if i, err := strconv.Atoi(n.Value); err == nil && strconv.Itoa(i) == n.Value {
			return i
		}
	}
	return n.Value
}
