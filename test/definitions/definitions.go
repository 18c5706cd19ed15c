// Package definitions is a corpus of task definitions as people write them,
// each with what becomes of it when it is registered.
//
// A definition NAME.json registers, unless there is a NAME.refused beside it,
// which names all that stands in its way, one a line:
//
//	path [(on GOARCH)] [= JSON] [: words | words]
//
// The path leads to what is refused; lists are entered by the name of an item.
// Without it, or with the JSON in its place, it is no longer. The words are said
// of it; else those are the last name of the path, and the item's.
package definitions

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"strings"
)

//go:embed *.json *.refused
var files embed.FS

// Object is a JSON object.
type Object = map[string]any

// Definition is one of the corpus.
type Definition struct {
	Name     string
	JSON     []byte
	Refusals []Refusal // none: it registers
}

// Refusal is what stands in the way of a definition.
type Refusal struct {
	Path  []string
	Words []string // that the error says of it
	With  any      // what has to be at the path instead; nil: nothing
}

// written is the account whose roles the definitions name.
const written = "arn:aws:iam::123456789012:"

// All returns the corpus, by name. Roles in it are those of an account.
func All(account string) ([]Definition, error) {
	names, err := fs.Glob(files, "*.json")
	if err != nil {
		return nil, fmt.Errorf("list definitions: %w", err)
	}
	var all []Definition
	for _, file := range names {
		d := Definition{Name: strings.TrimSuffix(file, ".json")}
		if d.JSON, err = files.ReadFile(file); err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		d.JSON = bytes.ReplaceAll(d.JSON, []byte(written), []byte("arn:aws:iam::"+account+":"))
		refused, err := files.ReadFile(d.Name + ".refused")
		if err != nil { // it registers
			all = append(all, d)
			continue
		}
		for line := range strings.Lines(string(refused)) {
			r, here, err := parse(strings.TrimSpace(line))
			if err != nil {
				return nil, fmt.Errorf("read %s.refused: %w", d.Name, err)
			}
			if here {
				d.Refusals = append(d.Refusals, r)
			}
		}
		all = append(all, d)
	}
	return all, nil
}

// parse reads a line; here says whether it is about machines such as this one.
func parse(line string) (r Refusal, here bool, err error) {
	rest, words, worded := strings.Cut(line, " : ")
	path, with, replaced := strings.Cut(rest, " = ")
	path, arch, only := strings.Cut(path, " (on ")
	r.Path = strings.Split(path, ".")
	switch {
	case worded:
		r.Words = strings.Split(words, " | ")
	case len(r.Path) > 2:
		r.Words = []string{r.Path[len(r.Path)-1], r.Path[1]}
	default:
		r.Words = r.Path[len(r.Path)-1:]
	}
	if replaced {
		if err := json.Unmarshal([]byte(with), &r.With); err != nil {
			return r, false, fmt.Errorf("%s: %w", line, err)
		}
	}
	return r, !only || strings.TrimSuffix(arch, ")") == runtime.GOARCH, nil
}

// Object returns the definition, with what those refusals are about mended.
func (d Definition) Object(mended ...Refusal) (Object, error) {
	var o Object
	if err := json.Unmarshal(d.JSON, &o); err != nil {
		return nil, fmt.Errorf("read %s: %w", d.Name, err)
	}
	for _, r := range mended {
		if !r.mend(o) {
			return nil, fmt.Errorf("%s has no %s", d.Name, strings.Join(r.Path, "."))
		}
	}
	return o, nil
}

// mend mends o, and says whether it had something at the path.
func (r Refusal) mend(o Object) bool {
	for _, name := range r.Path[:len(r.Path)-1] {
		next, ok := o[name]
		if !ok {
			return false
		}
		switch next := next.(type) {
		case Object:
			o = next
		case []any: // entered by the next name
			o = Object{}
			for _, item := range next {
				item := item.(Object)
				o[fmt.Sprint(item["name"])] = item
			}
		}
	}
	last := r.Path[len(r.Path)-1]
	if _, ok := o[last]; !ok {
		return false
	}
	if r.With == nil {
		delete(o, last)
		return true
	}
	o[last] = r.With
	return true
}

// Lists of a definition and of a container that ECS shows empty when there is
// nothing in them.
var (
	ofTask      = []string{"volumes", "placementConstraints"}
	ofContainer = []string{"environment", "mountPoints", "volumesFrom", "portMappings", "systemControls"}
)

// Shown returns what ECS shows of a definition that was registered, but for what
// it alone knows: what was sent, and its defaults. What says nothing, such as an
// empty list, is left out of both, but for the lists that ECS always shows.
func Shown(o Object) Object {
	out := dense(o).(Object)
	delete(out, "tags")
	out["compatibilities"] = []any{"EC2", "FARGATE"}
	if out["ephemeralStorage"] != nil { // which EC2 has not
		out["compatibilities"] = []any{"FARGATE"}
	}
	defaults(out, ofTask, nil)
	for _, c := range out["containerDefinitions"].([]any) {
		c := c.(Object)
		defaults(c, ofContainer, Object{"cpu": 0.0, "essential": true})
		for _, p := range c["portMappings"].([]any) {
			p := p.(Object)
			if p["containerPort"] != nil {
				p["hostPort"] = p["containerPort"]
			}
			if p["protocol"] != "udp" {
				p["protocol"] = "tcp"
			}
		}
		if h, ok := c["healthCheck"].(Object); ok {
			defaults(h, nil, Object{"interval": 30.0, "timeout": 5.0, "retries": 3.0})
		}
	}
	for _, v := range out["volumes"].([]any) {
		if v := v.(Object); v["efsVolumeConfiguration"] == nil {
			v["host"] = Object{}
		}
	}
	return out
}

// defaults puts values and empty lists where o has nothing.
func defaults(o Object, lists []string, values Object) {
	values = maps.Clone(values)
	if values == nil {
		values = Object{}
	}
	for _, l := range lists {
		values[l] = []any{}
	}
	for name, v := range values {
		if o[name] == nil {
			o[name] = v
		}
	}
}

// Dense returns a definition without what says nothing, but for the lists that
// ECS shows empty.
func Dense(o Object) Object {
	out := dense(o).(Object)
	defaults(out, ofTask, nil)
	for _, c := range out["containerDefinitions"].([]any) {
		defaults(c.(Object), ofContainer, nil)
	}
	for _, v := range out["volumes"].([]any) {
		if v := v.(Object); v["efsVolumeConfiguration"] == nil {
			v["host"] = Object{}
		}
	}
	return out
}

func dense(v any) any {
	switch v := v.(type) {
	case Object:
		out := Object{}
		for name, member := range v {
			if member := dense(member); member != nil {
				out[name] = member
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		if len(v) == 0 {
			return nil
		}
		out := slices.Clone(v)
		for i := range out {
			out[i] = dense(out[i])
		}
		return out
	}
	return v
}
