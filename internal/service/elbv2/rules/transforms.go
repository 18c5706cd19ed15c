package rules

import (
	"errors"
	"regexp/syntax"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/request"
)

const (
	maxRewrite = 1024   // characters
	maxRegex   = 20_000 // steps of a compiled expression
)

// regexFault says why an expression isn't one that AWS takes; nil if it is.
func regexFault(text string) error {
	_, err := groupsOf(text)
	return err
}

// groupsOf counts the groups of an expression. AWS's have no look-around, back
// references, possessive quantifiers and classes by Unicode's names.
func groupsOf(text string) (int, error) {
	tree, err := syntax.Parse(text, syntax.Perl&^syntax.UnicodeGroups)
	if err != nil {
		if why, ok := errors.AsType[*syntax.Error](err); ok {
			return 0, errors.New(why.Code.String())
		}
		return 0, err
	}
	groups := tree.MaxCap()
	if prog, err := syntax.Compile(tree.Simplify()); err != nil || len(prog.Inst) > maxRegex {
		return 0, errors.New("it is too large")
	}
	return groups, nil
}

// readTransforms reads the transforms of a rule: one of a type at most.
func readTransforms(in []types.RuleTransform) (out []elbv2.Transform, f awserr.Faults) {
	seen := map[types.TransformTypeEnum]bool{}
	for _, t := range in {
		if seen[t.Type] {
			f.Add(request.Invalid("A rule can only have one '%s' transform", t.Type))
		}
		seen[t.Type] = true
		var rewrites []types.RewriteConfig
		own, others := "UrlRewriteConfig", t.HostHeaderRewriteConfig != nil
		if t.Type == types.TransformTypeEnumHostHeaderRewrite {
			own, others = "HostHeaderRewriteConfig", t.UrlRewriteConfig != nil
			if t.HostHeaderRewriteConfig != nil {
				rewrites = t.HostHeaderRewriteConfig.Rewrites
			}
		} else if t.UrlRewriteConfig != nil {
			rewrites = t.UrlRewriteConfig.Rewrites
		}
		if others {
			f.Add(request.Invalid("Only '%s' can be specified for a transform of type '%s'", own, t.Type))
		}
		if len(rewrites) != 1 {
			f.Add(request.Invalid("A '%s' transform must have exactly one rewrite in '%s'", t.Type, own))
			continue
		}
		r := elbv2.Transform{Type: string(t.Type), Regex: aws.ToString(rewrites[0].Regex), Replace: aws.ToString(rewrites[0].Replace)}
		f.Add(rewriteFaults(r)...)
		out = append(out, r)
	}
	return out, f
}

func rewriteFaults(r elbv2.Transform) (f awserr.Faults) {
	if r.Regex == "" {
		f.Add(request.Invalid("A 'Regex' must be specified in the rewrite of a '%s' transform", r.Type))
	}
	if len(r.Regex) > maxRewrite || len(r.Replace) > maxRewrite {
		f.Add(request.Invalid("The 'Regex' and the 'Replace' of a '%s' transform cannot be longer than '%d' characters", r.Type, maxRewrite))
	}
	groups, err := groupsOf(r.Regex)
	if err != nil {
		f.Add(request.Invalid("The regular expression '%s' of a '%s' transform is not valid: %s", r.Regex, r.Type, err))
		return f
	}
	for _, part := range strings.Split(r.Replace, "$")[1:] {
		digits := part[:len(part)-len(strings.TrimLeft(part, "0123456789"))]
		if n, err := strconv.Atoi(digits); digits != "" && (err != nil || n > groups) {
			f.Add(request.Invalid("The replacement '%s' of a '%s' transform has '$%s', but its regular expression has '%d' groups", r.Replace, r.Type, digits, groups))
		}
	}
	return f
}

func wireTransform(t elbv2.Transform) types.RuleTransform {
	out := types.RuleTransform{Type: types.TransformTypeEnum(t.Type)}
	rewrites := []types.RewriteConfig{{Regex: new(t.Regex), Replace: new(t.Replace)}}
	if out.Type == types.TransformTypeEnumHostHeaderRewrite {
		out.HostHeaderRewriteConfig = &types.HostHeaderRewriteConfig{Rewrites: rewrites}
	} else {
		out.UrlRewriteConfig = &types.UrlRewriteConfig{Rewrites: rewrites}
	}
	return out
}
