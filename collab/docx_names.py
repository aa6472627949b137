"""What the writer and the reader of DOCX agree on: styles that stand for what Word has no element for."""

CODE_BLOCK = "Code Block"
CODE = "Code"
LINK = "Hyperlink"
QUOTE = "Quote"
RULE = "Horizontal Rule"
HEADER_CELL = "Table Heading"
CONTINUED = "List Continue"
SUMMARY = "Details Summary"

TASK_SIGNS = {False: "\N{BALLOT BOX}", True: "\N{BALLOT BOX WITH CHECK}"}
INDENT_TWIPS = 720
"""Half an inch: one step of a list or of a quotation."""
LEVELS = 9
"""As many as a list can have in Word."""
