package policy

import (
	"fmt"
	"sync"

	"github.com/skylift/skylift/internal/policy/document"
)

// Cache keeps the compiled policies that resources have of their own. The zero Cache is empty.
type Cache struct {
	mu       sync.Mutex
	compiled map[string]cached // by resource and the ids of its policy
}

// cached is a policy with the text that it is of.
type cached struct {
	text   string
	policy *Policy
}

// mostCompiled is how many policies are kept compiled. When there are more, all are compiled anew.
const mostCompiled = 1024

// Compile parses and compiles the text of a resource's policy, unless it is the one that was compiled last.
func (c *Cache) Compile(resource string, name Name, text string, ids map[string]string) (*Policy, error) {
	key := fmt.Sprint(resource, ids)
	c.mu.Lock()
	known := c.compiled[key]
	c.mu.Unlock()
	if known.policy != nil && known.text == text {
		return known.policy, nil
	}
	d, err := document.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read the policy %s: %w", name.Name, err)
	}
	p, err := Compile(name, d, ids)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.compiled == nil || len(c.compiled) >= mostCompiled {
		c.compiled = map[string]cached{}
	}
	c.compiled[key] = cached{text, p}
	return p, nil
}
