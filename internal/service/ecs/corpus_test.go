package ecs_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/test/definitions"
)

// TestCorpus registers the task definitions of test/definitions as a client
// sends them. What registers is described as it was sent, with ECS's defaults;
// of what doesn't, all that stands in the way is named, and nothing else stands
// in the way.
func TestCorpus(t *testing.T) {
	all, err := definitions.All("111122223333")
	if err != nil {
		t.Fatal(err)
	}
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		c := newClient(w)
		registered := 0
		for _, d := range all {
			if len(d.Refusals) == 0 {
				registered++
				c.registers(d)
				continue
			}
			c.refuses(d)
			c.registers(d, d.Refusals...)
		}
		if len(all) < 45 || registered < 30 {
			w.T.Errorf("%d definitions, of which %d register", len(all), registered)
		}
		w.T.Logf("%d of %d register", registered, len(all))
	})
}

// client sends JSON to the API, as the wire has it.
type client struct {
	*ecstest.World
	service *wire.Service
}

func newClient(w *ecstest.World) client {
	s, err := wire.NewService("ecs", w.API.Operations()...)
	if err != nil {
		w.T.Fatal(err)
	}
	return client{w, s}
}

// call sends a request and returns the answer, or the error.
func (c client) call(operation string, in definitions.Object) (out definitions.Object, err error) {
	c.T.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		c.T.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader(string(body)))
	r.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113."+operation)
	call, err := c.service.Decode(r, body)
	if err != nil {
		return nil, err
	}
	answer, err := call.Do(c.T.Context())
	if err != nil {
		return nil, err
	}
	rec := httptest.NewRecorder()
	if err := c.service.Encode(rec, call, "id", answer); err != nil {
		c.T.Fatal(err)
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil {
		c.T.Fatalf("%v in %s", err, rec.Body)
	}
	return out, nil
}

// registers registers a definition in which refusals are mended.
func (c client) registers(d definitions.Definition, mended ...definitions.Refusal) {
	c.T.Helper()
	in, err := d.Object(mended...)
	if err != nil {
		c.T.Fatal(err)
	}
	if _, err := c.call("RegisterTaskDefinition", in); err != nil {
		c.T.Errorf("%s: %v", d.Name, err)
		return
	}
	out, err := c.call("DescribeTaskDefinition", definitions.Object{"taskDefinition": in["family"], "include": []any{"TAGS"}})
	if err != nil {
		c.T.Errorf("%s: %v", d.Name, err)
		return
	}
	got := out["taskDefinition"].(definitions.Object)
	for _, name := range []string{"taskDefinitionArn", "revision", "status", "registeredAt", "registeredBy"} {
		if _, ok := got[name]; !ok && name != "registeredBy" {
			c.T.Errorf("%s: no %s", d.Name, name)
		}
		delete(got, name)
	}
	units, mib := sizes(in)
	want := definitions.Shown(in)
	want["cpu"], want["memory"] = units, mib
	if diff := cmp.Diff(want, definitions.Dense(got)); diff != "" {
		c.T.Errorf("%s is described (-want +got): %s", d.Name, diff)
	}
	if tags := in["tags"]; tags != nil && !cmp.Equal(tags, out["tags"], cmpopts.SortSlices(func(a, b any) bool { return fmt.Sprint(a) < fmt.Sprint(b) })) {
		c.T.Errorf("%s: tags %v, want %v", d.Name, out["tags"], tags)
	}
}

// sizes are a task's size as ECS shows it.
func sizes(in definitions.Object) (cpu, memory any) {
	shown := map[string]string{
		".5 vCPU": "512", "1 vCPU": "1024", "2 vCPU": "2048", "4 vcpu": "4096", "0.25 vCPU": "256",
		"0.5 GB": "512", "1GB": "1024", "2 GB": "2048", "4 GB": "4096", "8 gb": "8192",
	}
	of := func(name string) any {
		if s, ok := shown[in[name].(string)]; ok {
			return s
		}
		return in[name]
	}
	return of("cpu"), of("memory")
}

// refuses registers a definition as it is, and with all but one of its refusals
// mended: each is named, whatever else is.
func (c client) refuses(d definitions.Definition) {
	c.T.Helper()
	for i := -1; i < len(d.Refusals); i++ {
		left := d.Refusals
		var mended []definitions.Refusal
		if i >= 0 {
			left, mended = d.Refusals[i:i+1], slices.Delete(slices.Clone(d.Refusals), i, i+1)
		}
		in, err := d.Object(mended...)
		if err != nil {
			c.T.Fatal(err)
		}
		_, err = c.call("RegisterTaskDefinition", in)
		wantError(c.T, err, "ClientException", "")
		for _, r := range left {
			for _, word := range r.Words {
				if err == nil || !strings.Contains(err.Error(), word) {
					c.T.Errorf("%s: of %s it isn't said %q: %v", d.Name, strings.Join(r.Path, "."), word, err)
				}
			}
		}
	}
}

// TestCorpusNames: each definition has a family of its own, and is called what
// becomes of it.
func TestCorpusNames(t *testing.T) {
	t.Parallel()
	all, err := definitions.All("111122223333")
	if err != nil {
		t.Fatal(err)
	}
	families := map[any]string{}
	for _, d := range all {
		o, err := d.Object()
		if err != nil {
			t.Fatal(err)
		}
		if other := families[o["family"]]; other != "" {
			t.Errorf("%s and %s are of one family", other, d.Name)
		}
		families[o["family"]] = d.Name
		if strings.HasPrefix(d.Name, "refused-") && len(d.Refusals) == 0 && d.Name != "refused-graviton" {
			t.Errorf("%s is refused nothing", d.Name)
		}
	}
}
