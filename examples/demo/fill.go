package main

import (
	"archive/zip"
	"bytes"
	"context"
	"embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
)

//go:embed resume.json projects
var content embed.FS

// client speaks to a server as a script does.
type client struct {
	ctx        context.Context
	api, token string
}

// call sends body, JSON unless it is bytes or nil, and reads the answer into
// out.
func (c *client) call(method, path string, body, out any) error {
	text, raw := body.([]byte)
	kind := "application/octet-stream"
	if !raw && body != nil {
		kind = "application/json"
		text, _ = json.Marshal(body) // maps of texts always encode
	}
	r, err := http.NewRequestWithContext(c.ctx, method, c.api+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", kind)
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s %s", method, path, res.Status, answer)
	}
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(answer, out)
}

type object = map[string]any

// shown is what a project has that a resume has no place for.
var shown = map[string]struct {
	featured bool
	links    []object
	pictures []string
}{
	"Tidal":        {true, []object{link("Live atlas", "https://example.com/tidal"), link("Source", "https://example.com/tidal.git")}, []string{"tidal", "tidal-chart"}},
	"Lantern":      {true, []object{link("Build guide", "https://example.com/lantern")}, []string{"lantern", "lantern-night"}},
	"Slow Letters": {false, []object{link("Read the essay", "https://example.com/letters")}, []string{"letters"}},
	"Kestrel":      {false, nil, []string{"kestrel"}},
}

func link(label, url string) object { return object{"label": label, "url": url} }

// owner is whose content it is. The portrait comes last: without it a run
// before this one was cut short.
const owner = "Nora Vestergaard"

// fill puts the sample content into a portfolio that is empty, and leaves
// every other one alone.
func fill(ctx context.Context, api, email, password string) error {
	c := &client{ctx: ctx, api: api}
	var grant struct {
		Token string `json:"access_token"`
	}
	if err := c.call("POST", "/auth/login", object{"email": email, "password": password, "mode": "token"}, &grant); err != nil {
		return err
	}
	c.token = grant.Token
	var profile object
	if err := c.call("GET", "/portfolio/profile", nil, &profile); err != nil {
		return err
	}
	if profile["name"] != "" && (profile["name"] != owner || profile["image_id"] != nil) {
		return nil
	}
	for path, text := range papers() {
		if err := c.call("PUT", "/files/content/"+path+"?parents=true", text, nil); err != nil {
			return err
		}
	}
	resume, err := content.ReadFile("resume.json")
	if err != nil {
		return err
	}
	if err := c.call("PUT", "/portfolio/resume.json", json.RawMessage(resume), nil); err != nil {
		return err
	}
	ids, err := c.pictures()
	if err != nil {
		return err
	}
	if err := c.projects(ids); err != nil {
		return err
	}
	if err := c.call("GET", "/portfolio/profile", nil, &profile); err != nil {
		return err
	}
	delete(profile, "revision")
	delete(profile, "updated_at")
	profile["image_id"] = ids["portrait"]
	return c.call("PUT", "/portfolio/profile", profile, nil)
}

// pictures paints and stores the pictures, and gives their ids by name.
func (c *client) pictures() (ids map[string]string, err error) {
	ids = map[string]string{}
	for name, picture := range paintAll() {
		var item struct {
			ID string `json:"id"`
		}
		if err := c.call("PUT", "/files/content/images/"+name+".jpg?parents=true", picture, &item); err != nil {
			return nil, err
		}
		ids[name] = item.ID
	}
	return ids, nil
}

func (c *client) projects(ids map[string]string) error {
	var list struct {
		Items []struct{ ID, Slug, Title string } `json:"items"`
	}
	if err := c.call("GET", "/portfolio/projects", nil, &list); err != nil {
		return err
	}
	for _, p := range list.Items {
		body, err := content.ReadFile("projects/" + p.Slug + ".md")
		if err != nil {
			return err
		}
		more := shown[p.Title]
		pictures := []string{}
		for _, name := range more.pictures {
			pictures = append(pictures, ids[name])
		}
		patch := object{"body": string(body), "featured": more.featured, "image_ids": pictures}
		if more.links != nil {
			patch["links"] = more.links
		}
		if err := c.call("PATCH", "/portfolio/projects/"+p.ID, patch, nil); err != nil {
			return err
		}
	}
	return c.call("POST", "/portfolio/projects", object{"title": "Harbour", "status": "draft", "tags": []string{"idea"},
		"summary": "A draft: only who may write the portfolio sees it, in this list as everywhere.", "body": "Boats come and go. Nothing here is ready."}, nil)
}

// papers are some files of several kinds, by path.
func papers() map[string][]byte {
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	if w, err := z.Create("readme.txt"); err == nil {
		_, _ = io.WriteString(w, "What is in an archive.\n") // memory takes everything
	}
	_ = z.Close()
	return map[string][]byte{
		"documents/Welcome.txt":            []byte("These are plain files on your own disk, under these very names.\nDrop others anywhere on the page.\n"),
		"documents/Notes/Packing list.md":  []byte("# Packing list\n\n- tide table\n- thermos\n- the small screwdriver\n"),
		"documents/Notes/Water levels.csv": []byte("day,low,high\nMonday,0.4,1.9\nTuesday,0.3,2.0\nWednesday,0.3,2.2\n"),
		"documents/Invoice 2026-014.pdf":   invoice("Invoice 2026-014", "Tidal: two days of harbour charts", "Thank you!"),
		"music/Three bells.wav":            bells(),
		"backups/site.zip":                 archive.Bytes(),
	}
}

// invoice is a page of PDF with some lines of text.
func invoice(lines ...string) []byte {
	text := "BT /F 24 Tf 72 720 Td 36 TL (" + strings.Join(lines, ") Tj T* (") + ") Tj ET"
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	var at []int
	for i, body := range []string{"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
		fmt.Sprintf("<</Length %d>>stream\n%s\nendstream", len(text), text), "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"} {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj%sendobj\n", i+1, body)
	}
	table := b.Len()
	b.WriteString("xref\n0 6\n0000000000 65535 f \n")
	for _, offset := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", table)
	return b.Bytes()
}

// bells is a WAV file of three tones that fade, 8 bits at 11025 Hz.
func bells() []byte {
	const rate, seconds = 11025, 2
	b := []byte("RIFF\x00\x00\x00\x00WAVEfmt ")
	for _, n := range []uint32{16, 1 | 1<<16, rate, rate, 1 | 8<<16} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	b = binary.LittleEndian.AppendUint32(append(b, "data"...), 3*seconds*rate)
	for _, tone := range []float64{523.25, 659.25, 783.99} {
		for i := range seconds * rate {
			t := float64(i) / rate
			b = append(b, byte(128+100*math.Exp(-3*t)*math.Sin(2*math.Pi*tone*t)))
		}
	}
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	return b
}
