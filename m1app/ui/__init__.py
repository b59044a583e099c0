"""The pages; the only package that uses Gradio.

One folder per page, with the same file names in each:

    page.py          builds the page and holds its handlers; *_tab.py does so for each tab
    form.py          the components of a form, and conversion to and from requests; *_form.py if there are several
    *_view.py        what a component shows: turns records into dictionaries for its page code; no Gradio, no I/O
    query.py         parses requests from the page code
    downloads.py     file downloads over HTTP
    NAME.html, .js   template and page code of a component; page.css is the page's style sheet

`question` has what several forms share, `shell` what all pages share. `web` mounts the pages, `serve` runs the app.
"""

from m1app.ui.gradio_startup import leave_stubs_alone

leave_stubs_alone()
