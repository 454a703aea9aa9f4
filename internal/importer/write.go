package importer

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// YAML writes a configuration, whose first line names the source. The same document gives the same bytes. Texts are written so
// that programs for YAML 1.1 read them as texts, too.
func YAML(source string, document *yaml.Node) ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# From %s, by mock-ec2-metadata import.\n", source)
	for i := 0; i+1 < len(document.Content); i += 2 {
		if err := writeKey(&out, document.Content[i], document.Content[i+1]); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// writeKey writes a key of the top. The entries of clients are written one by one, since an encoder keeps all that it has written.
func writeKey(out *bytes.Buffer, key, value *yaml.Node) error {
	if key.Value != "clients" {
		return encode(out, mapNode(key.Value, value))
	}
	out.WriteString("clients:\n")
	for _, e := range value.Content {
		var entry bytes.Buffer
		if err := encode(&entry, mapNode(key.Value, &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{e}})); err != nil {
			return err
		}
		out.Write(bytes.TrimPrefix(entry.Bytes(), []byte("clients:\n")))
	}
	return nil
}

func encode(out *bytes.Buffer, n *yaml.Node) error {
	encoder := yaml.NewEncoder(out)
	encoder.SetIndent(2)
	if err := encoder.Encode(n); err != nil {
		return err
	}
	return encoder.Close()
}

// fitsLiteral reports whether a block of lines keeps a text: it ends with one line break at most, and its first line is neither empty
// nor indented.
func fitsLiteral(text string) bool {
	printable := func(r rune) bool { return r == '\n' || r == '\t' || unicode.IsPrint(r) && r != unicode.ReplacementChar }
	return strings.Contains(text, "\n") && !strings.HasSuffix(text, "\n\n") && !strings.ContainsAny(text[:1], " \t\n") &&
		strings.IndexFunc(text, func(r rune) bool { return !printable(r) }) < 0
}

// oldNumber matches what YAML 1.1 alone reads as a number: to the base of 60, such as 12:30 and some MAC addresses, and 0x_.
var oldNumber = regexp.MustCompile(`^[-+]?([0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|0[bx][0-9a-fA-F_]+)$`)

// isPlain reports whether a text needs no quotes. yaml.v3 would leave them out more often, as for no, which YAML 1.1 reads as false.
func isPlain(text string) bool {
	letter := func(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' }
	for i := range len(text) {
		c := text[i]
		switch {
		case letter(c):
		case c == '/':
		case strings.IndexByte("_.@+-", c) >= 0 && i > 0:
		case c == ':' && i > 0 && i < len(text)-1:
		case c == ' ' && i > 0 && i < len(text)-1 && text[i-1] != ':' && letter(text[i+1]):
		default:
			return false
		}
	}
	n := yaml.Node{Kind: yaml.ScalarNode, Value: text}
	return text != "" && n.ShortTag() == "!!str" && !oldNumber.MatchString(text) && !slices.Contains([]string{"y", "n", "yes", "no", "on", "off"}, strings.ToLower(text))
}

// oneLine makes a text of several lines one.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
