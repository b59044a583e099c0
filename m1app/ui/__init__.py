"""The pages: Gradio lives here and nowhere else.

A room for each page, and the same file names in every room:

    page.py          builds the page and holds its handlers; in a room with tabs, *_tab.py does so for each tab
    form.py          the components of a form, and their way to a request and back; *_form.py where there are several
    *_view.py        what a component shows: records in, dictionaries for its page code out; no Gradio, no I/O
    query.py         what the page asks for, read from what its code sent
    downloads.py     files over HTTP, beside the page
    NAME.html, .js   template and page code of a component; page.css is the room's style sheet

`question` holds what several forms share, `shell` what every page does. `web` mounts the pages, `serve` runs the app.
"""

from m1app.ui.gradio_startup import leave_stubs_alone

leave_stubs_alone()
