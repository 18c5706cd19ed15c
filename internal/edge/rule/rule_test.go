package rule_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/skylift/skylift/internal/edge/http1"
	"github.com/skylift/skylift/internal/edge/rule"
	"github.com/skylift/skylift/internal/edge/table"
)

// request reads "METHOD host/path?query name:value …" from client.
func request(client, text string) *rule.Request {
	words := bytes.Fields([]byte(text))
	host, target, _ := bytes.Cut(words[1], []byte("/"))
	path, query, _ := bytes.Cut(append([]byte("/"), target...), []byte("?"))
	r := &rule.Request{Method: words[0], Host: host, Path: path, Query: query, Client: netip.MustParseAddr(client)}
	for _, w := range words[2:] {
		name, value, _ := bytes.Cut(w, []byte(":"))
		r.Fields = append(r.Fields, http1.Field{Name: name, Value: value})
	}
	return r
}

func on(field table.Field, values ...string) table.Condition {
	return table.Condition{Field: field, Values: values}
}

func regex(field table.Field, values ...string) table.Condition {
	return table.Condition{Field: field, Regex: values}
}

func header(name string, values ...string) table.Condition {
	return table.Condition{Field: table.HTTPHeader, Header: name, Values: values}
}

func query(pairs ...table.Pair) table.Condition {
	return table.Condition{Field: table.QueryString, Pairs: pairs}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		conditions []table.Condition
		met, unmet []string
	}{
		{
			"host",
			[]table.Condition{on(table.HostHeader, "shop.example.com", "*.Example.org")},
			[]string{"GET SHOP.example.com/", "GET a.b.example.org/x"},
			[]string{"GET example.org/", "GET xshop.example.com/", "GET shop.example.com.x/"},
		},
		{
			"host by regular expression",
			[]table.Condition{regex(table.HostHeader, `^(a|b)\.example\.com$`)},
			[]string{"GET A.example.com/", "GET b.EXAMPLE.com/"},
			[]string{"GET c.example.com/", "GET a.example.com.x/"},
		},
		{
			"path",
			[]table.Condition{on(table.PathPattern, "/api/*", "/img/?.gif", "*.jpg")},
			[]string{"GET a.b/api/", "GET a.b/api/x/y", "GET a.b/img/1.gif?x", "GET a.b/x.jpg"},
			[]string{"GET a.b/api", "GET a.b/API/", "GET a.b/img/12.gif", "GET a.b/x.jpg/", "GET a.b/?x.jpg"},
		},
		{
			"path by regular expression",
			[]table.Condition{regex(table.PathPattern, `^/v[0-9]+/x`, `y$`)},
			[]string{"GET a.b/v12/x/z", "GET a.b/any/y"},
			[]string{"GET a.b/V1/x", "GET a.b/v/x", "GET a.b/Y"},
		},
		{
			"method",
			[]table.Condition{on(table.Method, "GET", "X-CUSTOM")},
			[]string{"GET a.b/", "X-CUSTOM a.b/"},
			[]string{"get a.b/", "POST a.b/"},
		},
		{
			"header",
			[]table.Condition{header("X-Kind", "Blue*", "?reen")},
			[]string{"GET a.b/ x-kind:BLUEISH", "GET a.b/ X-Kind:red X-Kind:green"},
			[]string{"GET a.b/", "GET a.b/ X-Kind:red", "GET a.b/ X-Kindly:green"},
		},
		{
			"two headers",
			[]table.Condition{header("A", "1"), header("B", "2"), header("A", "*")},
			[]string{"GET a.b/ a:1 b:2"},
			[]string{"GET a.b/ a:1", "GET a.b/ b:2", "GET a.b/ a:2 b:2"},
		},
		{
			"query",
			[]table.Condition{query(table.Pair{Key: "version", Value: "v1"}, table.Pair{Value: "*example*"})},
			[]string{"GET a.b/?x=1&VERSION=V1", "GET a.b/?a=anexample", "GET a.b/?version=example"},
			[]string{"GET a.b/", "GET a.b/?version=v2", "GET a.b/?v1", "GET a.b/?version=v1%20"},
		},
		{
			"query of one key",
			[]table.Condition{query(table.Pair{Key: "v", Value: "1"}, table.Pair{Key: "V", Value: `\*`})},
			[]string{"GET a.b/?v=1", "GET a.b/?v=2&v=*"},
			[]string{"GET a.b/?v=2", "GET a.b/?w=1"},
		},
		{
			"source",
			[]table.Condition{on(table.SourceIP, "10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32")},
			[]string{"GET a.b/"},
			nil,
		},
		{
			"all",
			[]table.Condition{on(table.HostHeader, "a.b"), on(table.PathPattern, "/x"), on(table.Method, "GET"), on(table.SourceIP, "10.0.0.0/8")},
			[]string{"GET a.b/x"},
			[]string{"GET a.b/y", "PUT a.b/x", "GET b.b/x"},
		},
		{"no conditions", nil, []string{"GET a.b/"}, nil},
		{"an unreadable one", []table.Condition{regex(table.PathPattern, "(")}, nil, []string{"GET a.b/"}},
	} {
		s, err := rule.Compile([]table.Rule{{ID: "r", Conditions: tt.conditions}})
		if (err != nil) != (tt.name == "an unreadable one") {
			t.Errorf("%s: Compile: %v", tt.name, err)
		}
		for want, requests := range map[int][]string{0: tt.met, -1: tt.unmet} {
			for _, text := range requests {
				if got := s.Find(request("10.1.2.3", text)); got != want {
					t.Errorf("%s: Find(%q) = %d, want %d", tt.name, text, got, want)
				}
			}
		}
	}
	s, err := rule.Compile([]table.Rule{{Conditions: []table.Condition{on(table.SourceIP, "192.0.2.0/24", "2001:db8::/32")}}})
	for client, want := range map[string]int{"192.0.2.255": 0, "192.0.3.0": -1, "2001:db8::1": 0, "2001:db9::1": -1} {
		if got := s.Find(request(client, "GET a.b/")); err != nil || got != want {
			t.Errorf("Find from %s = %d, %v, want %d", client, got, err, want)
		}
	}
}

func TestNoPatternIsMetByATab(t *testing.T) {
	t.Parallel()
	r := request("10.0.0.1", "GET a.b/ X-Kind:blue")
	r.Fields[0].Value = []byte("blue\t")
	if got := alone(table.Rule{Conditions: []table.Condition{header("X-Kind", "blue*")}}).Find(r); got != -1 {
		t.Errorf("Find = %d, want -1", got)
	}
}

// alone makes a set of one rule.
func alone(r table.Rule) *rule.Set {
	s, _ := rule.Compile([]table.Rule{r})
	return s
}

// TestFindIsTheFirstRuleThatIsMet holds the index against rules that are tried
// one by one.
func TestFindIsTheFirstRuleThatIsMet(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		rules := make([]table.Rule, 1+rnd.IntN(130))
		singly := make([]*rule.Set, len(rules))
		for i := range rules {
			rules[i] = randomRule(rnd)
			singly[i] = alone(rules[i])
		}
		s, err := rule.Compile(rules)
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			client, text := randomRequest(rnd)
			r := request(client, text)
			want := -1
			for i := range singly {
				if singly[i].Find(r) == 0 {
					want = i
					break
				}
			}
			if got := s.Find(r); got != want {
				t.Fatalf("seed %d: Find(%s %q) = %d, want %d of %+v", seed, client, text, got, want, rules)
			}
		}
	}
}

func pick(rnd *rand.Rand, of ...string) string { return of[rnd.IntN(len(of))] }

func randomRule(rnd *rand.Rand) (r table.Rule) {
	n := func(max int) string { return fmt.Sprint(rnd.IntN(max)) }
	for range 1 + rnd.IntN(3) {
		var c table.Condition
		switch rnd.IntN(9) {
		case 0:
			c = on(table.HostHeader, "h"+n(9)+".example.com", pick(rnd, "*.", "?", "h*", "")+"x"+n(3)+".com")
		case 1:
			c = regex(table.HostHeader, pick(rnd, "^", "")+"h"+n(9)+".*"+pick(rnd, `\.com$`, "m"))
		case 2:
			c = on(table.PathPattern, "/p"+n(5)+pick(rnd, "", "/*", "*", "/?"), pick(rnd, "*", "/*/")+n(5))
		case 3:
			c = regex(table.PathPattern, pick(rnd, "^/p", "p")+"["+n(5)+"-"+"7]"+pick(rnd, "", "/1$"))
		case 4:
			c = on(table.Method, pick(rnd, "GET", "PUT"), pick(rnd, "POST", "HEAD"))
		case 5:
			c = header("H"+n(6), "v"+n(4), pick(rnd, "*", "")+"w"+n(4))
		case 6:
			c = query(table.Pair{Key: "k" + n(6), Value: n(3)}, table.Pair{Key: pick(rnd, "k1", "k2", ""), Value: n(3)})
		case 7:
			c = query(table.Pair{Key: "k" + n(6), Value: pick(rnd, "", "*") + n(3)})
		default:
			c = on(table.SourceIP, "10."+n(3)+".0.0/"+fmt.Sprint(10+rnd.IntN(8)), "10.0.0."+n(5)+"/32")
		}
		r.Conditions = append(r.Conditions, c)
	}
	return r
}

func randomRequest(rnd *rand.Rand) (client, text string) {
	n := func(max int) string { return fmt.Sprint(rnd.IntN(max)) }
	text = pick(rnd, "GET", "PUT", "POST", "DELETE") + " " + pick(rnd, "h"+n(9)+".example.com", "H"+n(9)+".x"+n(3)+".com", "x"+n(3)+".com") +
		"/p" + n(6) + pick(rnd, "", "/"+n(5), "/a/"+n(5)) + pick(rnd, "", "?k"+n(6)+"="+n(3)+"&k"+n(6)+"=1"+n(3))
	for range rnd.IntN(8) {
		text += " " + pick(rnd, "H", "h") + n(6) + ":" + pick(rnd, "V", "v", "aw", "W") + n(4)
	}
	return "10." + n(3) + "." + n(2) + "." + n(5), text
}

func BenchmarkFind(b *testing.B) {
	for _, kind := range []string{"host", "host wildcard", "path", "header", "query", "regex"} {
		for _, count := range []int{5, 100} {
			b.Run(fmt.Sprintf("%s/%d", kind, count), func(b *testing.B) {
				var rules []table.Rule
				for i := range count {
					var c table.Condition
					switch kind {
					case "host":
						c = on(table.HostHeader, fmt.Sprintf("site-%d.example.com", i))
					case "host wildcard":
						c = on(table.HostHeader, fmt.Sprintf("*.site-%d.example.com", i))
					case "path":
						c = on(table.PathPattern, fmt.Sprintf("/service-%d/*", i))
					case "header":
						c = header("X-Tenant", fmt.Sprintf("tenant-%d", i))
					case "query":
						c = query(table.Pair{Key: "tenant", Value: fmt.Sprint(i)})
					case "regex":
						c = regex(table.PathPattern, fmt.Sprintf("^/service-%d/[a-z]+$", i))
					}
					rules = append(rules, table.Rule{Conditions: []table.Condition{c}})
				}
				s, err := rule.Compile(rules)
				if err != nil {
					b.Fatal(err)
				}
				last := count - 1
				host := map[string]string{"host": "site-%d.example.com", "host wildcard": "www.site-%d.example.com"}[kind]
				if host == "" {
					host = "a%d.b"
				}
				r := request("10.0.0.1", fmt.Sprintf("GET "+host+"/service-%[1]d/x?tenant=%[1]d Accept:*/* User-Agent:bench X-Tenant:tenant-%[1]d", last))
				b.ReportAllocs()
				for b.Loop() {
					if got := s.Find(r); got != last {
						b.Fatalf("Find = %d, want %d", got, last)
					}
				}
			})
		}
	}
}
