package importer

import (
	"encoding/base64"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// redacted is what cloud-init writes in place of values that only root may see.
const redacted = "redacted for non-root user"

// isCloudInitKey reports whether a top-level key is one of cloud-init's instance data, or of its part ds.
func isCloudInitKey(key string) bool {
	return slices.Contains([]string{"ds", "v1", "meta-data", "meta_data"}, key)
}

// cloudInit is the instance data of cloud-init.
type cloudInit struct {
	d        *document
	in       *Instance
	leaves   leaves
	keyNames map[int]string
	encoded  map[string]bool // paths of values in base64, with - for _
	hidden   []string        // paths of redacted values
}

// readCloudInit reads instance-data.json, or what cloud-init query prints of it.
func readCloudInit(r *reading) error {
	for _, d := range r.docs {
		in, err := readInstanceData(d, r.opt)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(r.Instances, func(o *Instance) bool { return o.ID == in.ID }); i < 0 {
			r.Instances = append(r.Instances, in)
		} else if !slices.EqualFunc(r.Instances[i].Keys, in.Keys, func(a, b Key) bool { return slices.Equal(a.Path, b.Path) && equal(a.Value, b.Value) }) {
			return d.fail("%s is in another input, too, with other values; import them one by one", in.ID)
		}
	}
	return nil
}

func readInstanceData(d *document, opt Options) (*Instance, error) {
	value, err := d.value()
	if err != nil {
		return nil, err
	}
	top, ok := value.(map[string]any)
	if !ok {
		return nil, d.fail("a list; the instance data of cloud-init has keys")
	}
	v1, _ := top["v1"].(map[string]any)
	if cloud := cmpOr(text(v1, "cloud-name"), text(v1, "cloud_name")); cloud != "" && cloud != "aws" {
		return nil, d.fail("v1.cloud_name: %s; only the instance data of AWS has what EC2 has", oneLine(cloud))
	}
	ds, prefix := top, ""
	if below, ok := top["ds"].(map[string]any); ok {
		ds, prefix = below, "ds/"
	}
	c := &cloudInit{d: d, in: &Instance{}, leaves: leaves{}, keyNames: map[int]string{}, encoded: map[string]bool{}}
	encoded, _ := top["base64_encoded_keys"].([]any)
	for _, key := range encoded {
		path, _ := key.(string)
		c.encoded[hyphens(path)] = true
	}
	meta, name := either(ds, "meta-data")
	if meta == nil {
		return nil, d.fail("%s: missing, or no object; run cloud-init query --all as root", dots(prefix+"meta-data"))
	}
	if err := c.walk("meta-data", prefix+name, meta); err != nil {
		return nil, err
	}
	if dynamic, _ := either(ds, "dynamic"); dynamic != nil {
		c.dynamic(dynamic)
	}
	c.finish(top, ds, prefix, opt)
	return c.in, nil
}

// either returns the object at a key or, where only that is there, at its alias with underscores.
func either(o map[string]any, key string) (value map[string]any, name string) {
	for _, name := range []string{key, strings.ReplaceAll(key, "-", "_")} {
		if value, ok := o[name].(map[string]any); ok {
			return value, name
		}
	}
	return nil, key
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func text(o map[string]any, key string) string {
	value, _ := scalarText(o[key])
	return value
}

// dots writes a place in the input as cloud-init query takes it.
func dots(path string) string { return strings.ReplaceAll(path, "/", ".") }

// hyphens undoes the aliases of cloud-init. EC2 has no underscore in its own names.
func hyphens(path string) string { return strings.ReplaceAll(path, "_", "-") }

// isAlias reports whether a name stands for another one in the same directory, of which cloud-init has replaced - and . by _.
func isAlias(dir map[string]any, name string) bool {
	if _, both := dir[hyphens(name)]; both && hyphens(name) != name {
		return true
	}
	for other, value := range dir {
		if other != name && strings.NewReplacer("-", "_", ".", "_").Replace(other) == name && reflect.DeepEqual(value, dir[name]) {
			return true
		}
	}
	return false
}

// isDataDir reports whether names in a directory are data, so that a name with an underscore may be one.
func isDataDir(path string) bool {
	return slices.Contains([]string{strings.TrimSuffix(tagsDir, "/"), strings.TrimSuffix(devicesDir, "/"), strings.TrimSuffix(macsDir, "/")}, path)
}

// isDocument reports whether a path is a leaf that is a JSON object.
func isDocument(path string) bool {
	dir := path[:strings.LastIndexByte(path, '/')+1]
	switch {
	case path == infoLeaf, path == "meta-data/spot/instance-action", path == "meta-data/events/recommendations/rebalance":
		return true
	case dir == "meta-data/elastic-inference/associations/", dir == "meta-data/elastic-gpus/associations/":
		return true
	}
	return secretLeaf(path)
}

// walk collects the leaves of a directory. at is its place in the input, in the words of the input.
func (c *cloudInit) walk(path, at string, dir map[string]any) error {
	if path+"/" == keysDir {
		c.publicKeys(dir)
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(dir)) {
		if isAlias(dir, name) {
			continue
		}
		below := hyphens(name)
		if isDataDir(path) {
			if below = name; strings.Contains(name, "_") && path+"/" == tagsDir {
				c.in.note(Guessed, dots(at+"/"+name), "cloud-init may have written _ for -; it is taken as it is")
			}
		}
		if err := c.value(path+"/"+below, at+"/"+name, dir[name]); err != nil {
			return err
		}
	}
	return nil
}

func (c *cloudInit) value(path, at string, value any) error {
	switch v := value.(type) {
	case nil:
		return nil
	case map[string]any:
		if isDocument(path) {
			c.leaves[path] = ec2JSON(v, infoOrder()...)
			return nil
		}
		return c.walk(path, at, v)
	case []any:
		texts := make([]string, len(v))
		for i, e := range v {
			line, ok := scalarText(e)
			if !ok {
				return c.d.fail("%s: a list of what is no text", dots(at))
			}
			texts[i] = line
		}
		c.leaves[path] = strings.Join(texts, "\n")
		return nil
	}
	content, _ := scalarText(value)
	content, err := c.decoded(at, content)
	switch {
	case err != nil:
		return err
	case strings.Contains(content, redacted):
		c.hidden = append(c.hidden, at)
	case !utf8.ValidString(content):
		c.in.note(Lost, dots(at), "not UTF-8 text")
	case content != "" || strings.HasPrefix(path, tagsDir):
		c.leaves[path] = content
	}
	return nil
}

// decoded decodes a value that cloud-init has encoded: it says so in a list, or by a prefix.
func (c *cloudInit) decoded(at, value string) (string, error) {
	rest, prefixed := strings.CutPrefix(value, "ci-b64:")
	if !prefixed && !c.encoded[hyphens(at)] {
		return value, nil
	}
	data, err := base64.StdEncoding.DecodeString(rest)
	switch {
	case err != nil && prefixed: // a text that begins like that
		return value, nil
	case err != nil:
		return "", c.d.fail("%s: in base64_encoded_keys, but not base64: %w", dots(at), err)
	}
	return string(data), nil
}

// publicKeys numbers the key pairs by their names: cloud-init does not keep the numbers.
func (c *cloudInit) publicKeys(pairs map[string]any) {
	i := 0
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		key, ok := scalarText(pairs[name])
		if list, isList := pairs[name].([]any); isList && len(list) > 0 {
			key, ok = scalarText(list[0])
		}
		if ok && !strings.Contains(key, redacted) && !isAlias(pairs, name) {
			c.keyNames[i] = name
			c.leaves[fmt.Sprintf("%s%d/openssh-key", keysDir, i)] = strings.TrimSpace(key) + "\n"
			i++
		}
	}
}

// dynamic takes the identity document, and no signature.
func (c *cloudInit) dynamic(dynamic map[string]any) {
	identity, _ := either(dynamic, "instance-identity")
	switch document := identity["document"].(type) {
	case string:
		if !strings.Contains(document, redacted) {
			c.leaves[documentLeaf] = document
		}
	case map[string]any:
		c.leaves[documentLeaf] = ec2JSON(document, documentOrder()...)
	}
	if fws, _ := either(dynamic, "fws"); text(fws, "instance-monitoring") != "" {
		c.leaves["dynamic/fws/instance-monitoring"] = text(fws, "instance-monitoring")
	}
}

// finish makes the instance of the leaves.
func (c *cloudInit) finish(top, ds map[string]any, prefix string, opt Options) {
	in := c.in
	in.ID = c.leaves["meta-data/instance-id"]
	for i := range in.Notes {
		in.Notes[i].Subject = in.ID
	}
	if len(c.hidden) > 0 {
		in.note(Lost, dots(c.hidden[0]), "redacted, the first of %d; run cloud-init query --all as root", len(c.hidden))
	}
	in.simulated(c.leaves)
	in.typed(c.leaves, c.keyNames)
	if doc := objectOf(c.leaves[documentLeaf]); doc != nil {
		in.identity(doc, true)
	}
	in.profile(objectOf(c.leaves[infoLeaf]), "")
	in.untyped(c.leaves)
	for _, from := range []struct {
		at    string
		value any
	}{{"userdata", top["userdata"]}, {prefix + "user-data", ds["user-data"]}, {prefix + "user_data", ds["user_data"]}} {
		data, ok := scalarText(from.value)
		if !ok || data == "" {
			continue
		}
		if strings.Contains(data, redacted) {
			in.note(Lost, from.at, "redacted; run cloud-init query --all as root")
			return
		}
		if decoded, err := c.decoded(from.at, data); err == nil {
			data = decoded
		}
		in.userData([]byte(data), opt.UserData)
		return
	}
}
