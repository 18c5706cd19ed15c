package gateway

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/skylift/skylift/internal/gateway/form"
	"github.com/skylift/skylift/internal/sigv4"
)

// readForm reads a form up to its file, and verifies its signature.
func (c *call) readForm() error {
	c.action = "PostObject"
	f, err := form.Read(c.r)
	if err != nil {
		return err
	}
	if c.form = f; !f.Signed() {
		return nil // a stranger's
	}
	sig, err := sigv4.ParseForm(f.Field)
	if err != nil {
		return err
	}
	who, secret, err := c.g.cfg.Keys.Lookup(sig.AccessKeyID, sig.SessionToken)
	if err != nil {
		return stranger(err)
	}
	if err := sig.VerifyForm(f.Field("policy"), c.signed(secret)); err != nil {
		return err
	}
	if err := f.Check(time.Now()); err != nil {
		return err
	}
	c.caller = who
	return nil
}

// heads is the head of an answer that is not sent.
type heads struct{ header http.Header }

func (h heads) Header() http.Header         { return h.header }
func (h heads) Write(b []byte) (int, error) { return len(b), nil }
func (h heads) WriteHeader(int)             {}

// post puts the object of a form, and answers as the form asks for.
func (c *call) post(ctx context.Context) error {
	f := c.form
	c.r = f.Put(c.r)
	in, err := c.svc.Decode(c.r, nil)
	if err != nil {
		return err
	}
	if ctx, err = c.authorize(ctx, in); err != nil {
		return err
	}
	out, err := in.Do(ctx)
	if err != nil {
		return err
	}
	c.kept = in.Kept
	h := heads{http.Header{}}
	if err := c.svc.Encode(h, in, c.id, out); err != nil {
		return fmt.Errorf("encode PostObject: %w", err)
	}
	for name, values := range h.header {
		if name != "Content-Type" {
			c.w.Header()[name] = values
		}
	}
	etag, location := h.header.Get("Etag"), "http://"+c.r.Host+c.r.URL.EscapedPath()
	c.w.Header().Set("Location", location)
	to, err := url.Parse(f.Fields["success_action_redirect"])
	if err == nil && to.IsAbs() {
		q := to.Query()
		q.Set("bucket", f.Bucket)
		q.Set("key", f.Fields["key"])
		q.Set("etag", etag)
		to.RawQuery = q.Encode()
		c.w.Header().Set("Location", to.String())
		c.w.WriteHeader(http.StatusSeeOther)
		return nil
	}
	status, _ := strconv.Atoi(f.Fields["success_action_status"])
	if status != http.StatusOK && status != http.StatusCreated {
		status = http.StatusNoContent
	}
	if status != http.StatusCreated {
		c.w.WriteHeader(status)
		return nil
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	answer := struct {
		XMLName                     xml.Name `xml:"PostResponse"`
		Location, Bucket, Key, ETag string
	}{Location: location, Bucket: f.Bucket, Key: f.Fields["key"], ETag: etag}
	if err := xml.NewEncoder(&b).Encode(answer); err != nil {
		return fmt.Errorf("encode PostObject: %w", err)
	}
	c.w.Header().Set("Content-Type", "application/xml")
	c.w.WriteHeader(status)
	_, _ = c.w.Write(b.Bytes()) // a caller that has gone is not told
	return nil
}
