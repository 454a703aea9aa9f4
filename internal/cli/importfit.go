package cli

import (
	"slices"
	"strconv"
	"strings"

	"mock-ec2-metadata/internal/importer"
)

// fit takes keys away until the configuration of each instance loads. It does so only where all values are metadata, too, so that a client
// still sees them: what a service says may contradict itself, and a mock may say anything.
func fit(result *importer.Result, opt importer.Options) error {
	for _, in := range result.Instances {
		for in.AllIsMetadata {
			problems, err := problemsOf(result.Source, in, opt)
			if err != nil || len(problems) == 0 {
				return err
			}
			blamed := slices.Collect(func(yield func([]string) bool) {
				for _, line := range problems {
					if path := blame(in.Keys, line); path != nil && !yield(path) {
						return
					}
				}
			})
			if len(blamed) == 0 {
				return nil // what writes the configuration says what is wrong with it
			}
			for _, path := range blamed {
				drop(in, path)
			}
		}
	}
	return nil
}

// problemsOf loads the configuration of one instance. It returns what is wrong with it, a line each.
func problemsOf(source string, in *importer.Instance, opt importer.Options) ([]string, error) {
	one := importer.Result{Source: source, Instances: []*importer.Instance{in}}
	document, err := one.Merge(opt)
	if err != nil {
		return nil, err
	}
	text, err := importer.YAML(source, document)
	if err != nil {
		return nil, err
	}
	if err := checkImport(text, nil); err != nil {
		_, lines, _ := strings.Cut(err.Error(), "\n")
		return strings.Split(lines, "\n"), nil
	}
	return nil, nil
}

// shown is a key as errors of the configuration write it, such as ec2.network_interfaces[0].mac.
func shown(path []string) string { return strings.ReplaceAll(strings.Join(path, "."), ".[", "[") }

// blame returns the key, or the block, that a problem is about. That is where its line begins, else a key that it names. Of a default that
// is in the way, it is the last interface or else the last key of ec2. It is nil for what is not of an instance.
func blame(keys []importer.Key, line string) []string {
	var best []string
	for _, k := range keys {
		if k.Path[0] != "ec2" && k.Path[0] != "aws" && k.Path[0] != "metadata" {
			continue
		}
		for n := len(k.Path); n > 1; n-- {
			rest, ok := strings.CutPrefix(line, shown(k.Path[:n]))
			if ok && (strings.HasPrefix(rest, ":") || strings.HasPrefix(rest, "[") && n == len(k.Path)) && n > len(best) {
				best = k.Path[:n]
			}
		}
	}
	if best != nil {
		return best
	}
	i := slices.IndexFunc(keys, func(k importer.Key) bool {
		return k.Path[0] == "ec2" && strings.Contains(line+" ", " "+shown(k.Path)+" ")
	})
	if i >= 0 {
		return keys[i].Path
	}
	if !strings.Contains(line, "ec2.") {
		return nil
	}
	for _, k := range keys {
		isInterface := k.Path[0] == "ec2" && k.Path[1] == "network_interfaces"
		switch {
		case isInterface:
			best = k.Path[:3]
		case k.Path[0] == "ec2" && (best == nil || best[1] != "network_interfaces"):
			best = k.Path
		}
	}
	return best
}

// drop takes a key or a block away, and says so of metadata, which nothing replaces. The blocks of a list move up.
func drop(in *importer.Instance, path []string) {
	last := len(path) - 1
	list, at := path[:last], strings.Trim(path[last], "[]")
	number, err := strconv.Atoi(at)
	isElement := err == nil && path[last] != at
	in.Keys = slices.DeleteFunc(in.Keys, func(k importer.Key) bool { return len(k.Path) > last && slices.Equal(k.Path[:last+1], path) })
	for i, k := range in.Keys {
		if !isElement || len(k.Path) <= last || !slices.Equal(k.Path[:last], list) {
			continue
		}
		if n, err := strconv.Atoi(strings.Trim(k.Path[last], "[]")); err == nil && n > number {
			in.Keys[i].Path = slices.Clone(k.Path)
			in.Keys[i].Path[last] = "[" + strconv.Itoa(n-1) + "]"
		}
	}
	if path[0] == "metadata" {
		in.Notes = append(in.Notes, importer.Note{Subject: in.ID, Kind: importer.Lost, Name: path[last], Why: "metadata takes no such value beside the others"})
	}
}
