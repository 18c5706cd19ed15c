package edge

import (
	"errors"
	"time"

	"github.com/skylift/skylift/internal/edge/http1"
	"github.com/skylift/skylift/internal/edge/rewrite"
	"github.com/skylift/skylift/internal/edge/target"
	"github.com/skylift/skylift/internal/edge/tunnel"
)

var errUnasked = errors.New("switched protocols without being asked")

// tunnel passes bytes both ways after the target has switched protocols.
func (a *attempt) tunnel(b *target.Conn, headLen int, sent time.Time) *failure {
	c := a.c
	if len(c.req.Switch) == 0 || a.upload != nil {
		return a.malformed(b, errUnasked)
	}
	a.answered(sent)
	out := rewrite.AppendStatus(a.scratch.reply[:0], &c.res)
	out = rewrite.AppendFields(out, c.res.Fields, a.route.Headers)
	for i := range c.res.Fields {
		if f := &c.res.Fields[i]; f.Kind == http1.Upgrade {
			out = rewrite.AppendField(out, f.Name, f.Value)
		}
	}
	out = a.choice.AppendCookies(out, c.target.Load(), c.res.Fields, c.edge.cookies)
	out = append(out, "Connection: Upgrade\r\n\r\n"...)
	b.In.Discard(headLen)
	a.scratch.reply = append(out, b.In.Buffered()...)
	c.Resume()
	if _, err := c.send(a.scratch.reply); err != nil {
		return nil
	}
	if early := c.In.Buffered(); len(early) > 0 {
		if _, err := b.Net.Write(early); err != nil {
			return nil
		}
		c.In.Discard(len(early))
	}

	c.Endless.Store(true)
	c.known = nil // else it would hold a table's listeners for as long as it lasts
	down, up := tunnel.Join(c.Net, b.Net, a.route.Idle)
	c.tally.Out, c.tally.more = c.tally.Out+down, up
	c.Gone.Store(true)
	return nil
}
